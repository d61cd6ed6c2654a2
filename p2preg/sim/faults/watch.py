"""What a swarm is held to, while it runs and at rest: no false death, no acknowledged registration lost, and no batch
missed without an excuse."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from p2preg.base.ids import short
from p2preg.registry.contact import EXPIRED, LIVE
from p2preg.sim.checks import versions_at
from p2preg.sim.faults.crowd import Acknowledged, Follower, Resident
from p2preg.sim.faults.fault import RECONCILED_SECONDS, Scene
from p2preg.sim.host import Host

MISS_SECONDS = 30.0  # after a fault, until whom it struck has no excuse for a batch that did not come
JOINED_SECONDS = 10.0  # after all have joined, until the trees stand and what was missed meanwhile is reported
SETTLED_SECONDS = 5.0  # after a registration, until all must know of it
DISK_SECONDS = 60.0  # after an acknowledgement, until it is on other disks as well


@dataclass(frozen=True, slots=True)
class Miss:
    """At `at` seconds a registry noticed that batches of `origin`, from `low` to `high`, had not come."""

    at: float
    host: Host
    origin: str
    low: int
    high: int


class Watch:
    """Looks at the scene each second. `false_deaths`: a registry with no excuse showed a Media Node as expired that
    stood at its home."""

    def __init__(self, scene: Scene, residents: list[Resident], followers: list[Follower]) -> None:
        self.false_deaths: list[tuple[float, Host, Resident]] = []
        self.misses: list[Miss] = []
        self.unexplained: list[Miss] = []
        self._scene = scene
        self._residents = residents
        self._followers = followers
        self._read_until = math.inf  # of the logs

    def begin(self) -> None:
        """All have joined."""
        self._read_until = self._scene.now + JOINED_SECONDS

    def look(self) -> None:
        """Once a second."""
        scene = self._scene
        steady = [host for host in scene.up if not self._has_excuse(host.id, RECONCILED_SECONDS)]
        for resident in self._residents:
            home = resident.home
            if home is None or home not in steady or scene.now - resident.since < SETTLED_SECONDS:
                continue
            for host in steady:
                entry = host.node.registry.directory.get(resident.id)
                if entry is not None and entry.contact == EXPIRED:
                    self.false_deaths.append((scene.now, host, resident))
        self._read_logs()

    def _has_excuse(self, registry: bytes, seconds: float) -> bool:
        """Whether a fault struck it, or all, no more than so long ago."""
        scene = self._scene
        return scene.now < max(scene.shaken, scene.disturbed.get(registry, -math.inf)) + seconds

    def _read_logs(self) -> None:
        scene, since = self._scene, self._read_until
        if scene.now < since:
            return
        self._read_until = scene.now
        ids = {short(host.id): host.id for host in scene.hosts}
        for host in scene.hosts:
            for at, log in host.logged:
                if at > since and log.event == "gap":
                    miss = Miss(at, host, log.fields["origin"], log.fields["low"], log.fields["high"])
                    self.misses.append(miss)
                    if miss.origin not in ids or scene.has_invented_batches:
                        continue  # a liar's, or one's invention
                    either = host.id, ids[miss.origin]
                    is_excused = any(self._has_excuse(registry, MISS_SECONDS) for registry in either)
                    if not is_excused and not _came_after_all(miss, ids[miss.origin]):
                        self.unexplained.append(miss)

    # --- at rest --------------------------------------------------------------------------------------------

    def acknowledged(self) -> list[Acknowledged]:
        return [each for resident in self._residents for each in resident.acknowledged]

    def lost(self, hosts: Iterable[Host]) -> list[tuple[Host, Acknowledged]]:
        """What was acknowledged, has not ended, and some registry knows neither that nor anything later of the
        node."""
        standing = [each for each in self.acknowledged() if not self._lost_with_its_disk(each)]
        return [
            (host, each)
            for host in hosts
            for each in standing
            if each.end_ms > host.clock.now_ms and _lease_end_ms(host, each.node) < each.end_ms
        ]

    def _lost_with_its_disk(self, each: Acknowledged) -> bool:
        lost_at = self._scene.disk_lost.get(each.home)
        return lost_at is not None and each.at <= lost_at < each.at + DISK_SECONDS

    def check_contacts(self, hosts: Iterable[Host]) -> None:
        """Who stands at its home is live everywhere, and nobody else is."""
        homes = {resident.id: resident.home for resident in self._residents}
        for host in hosts:
            live = {entry.node_id: None for entry in host.node.registry.directory if entry.contact == LIVE}
            for node_id, home in homes.items():
                assert (home is not None) == (node_id in live), f"{host.name} is wrong about {short(node_id)}"

    def check_followers(self) -> None:
        """What subscribers hold is what their registry shows."""
        for follower in self._followers:
            host, subscriber = follower.host, follower.subscriber
            assert host is not None and subscriber is not None, "a subscriber without a registry"
            shown = {node_id.hex(): version.hex() for node_id, version in versions_at(host).items()}
            assert subscriber.versions == shown, f"a subscriber holds something else than {host.name} shows"


def _came_after_all(miss: Miss, origin: bytes) -> bool:
    """Whether the registry spoke too soon: who had announced them to it is its neighbour no more, and then they came
    another way."""
    counters = range(miss.low, miss.high + 1)
    return miss.host.is_up and all(miss.host.node.broadcast.has_accepted(origin, counter) for counter in counters)


def _lease_end_ms(host: Host, node: bytes) -> int:
    lease = host.node.held.current_lease(node)
    return 0 if lease is None else lease.end_ms
