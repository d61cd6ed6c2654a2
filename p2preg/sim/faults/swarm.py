"""Swarm testing: a few faults, chosen and timed by the seed, over a world with clients; then everything is healed, and
everything must be well again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from p2preg.cells.network import NetworkFile
from p2preg.sim.checks import differing
from p2preg.sim.faults.crowd import Follower, Resident
from p2preg.sim.faults.fault import Fault, Scene
from p2preg.sim.faults.liars import Liars
from p2preg.sim.faults.menu import choose
from p2preg.sim.faults.watch import Watch
from p2preg.sim.rest import have_equal_roots, one_sided, parts
from p2preg.sim.world import World

LIVES = {1: 600_000, 2: 1_800_000, 3: 300_000}  # short, so that leases are renewed, and some end
JOIN_SECONDS, JOINED_SECONDS = 30.0, 6.0
REST_SECONDS = 120.0  # at most, from healing until all are equal
QUIET_SECONDS = 5.0  # from the last registration until all must know of it
ASKED_SECONDS = 90.0  # two rounds of reconciliation: a liar has been asked by then
LOOK_SECONDS, GLANCE_SECONDS = 1.0, 0.1

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run. `took_place`: how often each fault that was chosen acted."""

    plan: tuple[str, ...]
    took_place: dict[str, int]
    rest_s: float
    misses: int
    misses_unexplained: int
    acknowledged: int
    lost: int
    false_deaths: int
    resumed: int
    events: int
    trace_hash: str


class Swarm:
    """`faults`: those of the seed unless they are given. `seconds`: how long they last."""

    def __init__(
        self,
        seed: int,
        registries: int,
        *,
        residents: int,
        followers: int,
        seconds: float,
        faults: list[Fault] | None = None,
        check: int = 0,
        codec: bool = False,
        progress: Progress = lambda done, note: None,
    ) -> None:
        rng = Random(f"{seed} swarm")
        self.faults = choose(rng) if faults is None else faults
        self._registries = registries
        self._seconds = seconds
        self._progress = progress
        network_file = NetworkFile("swarm", lives=LIVES)
        self.world = World(seed, network_file, codec=codec, check=check, quick_signatures=True)
        self.residents = [Resident(self.world, n, Random(f"{seed} resident {n}")) for n in range(residents)]
        self.followers = [Follower(self.world, n, Random(f"{seed} follower {n}")) for n in range(followers)]
        self.scene = Scene(self.world, rng)
        self.watch = Watch(self.scene, self.residents, self.followers)

    def plan(self) -> tuple[str, ...]:
        """One line for each fault."""
        return tuple(f"{fault.name}: {fault.text()}" for fault in self.faults)

    def run(self) -> Report:
        """An `AssertionError` says what was not well."""
        self._join()
        self._suffer()
        rest_s = self._rest()
        self._check()
        watch = self.watch
        return Report(
            plan=self.plan(),
            took_place={fault.name: fault.acts for fault in self.faults},
            rest_s=rest_s,
            misses=len(watch.misses),
            misses_unexplained=len(watch.unexplained),
            acknowledged=len(watch.acknowledged()),
            lost=len(watch.lost(self.scene.hosts)),
            false_deaths=len(watch.false_deaths),
            resumed=sum(follower.resumed for follower in self.followers),
            events=self.world.trace.events,
            trace_hash=self.world.trace.digest(),
        )

    def _join(self) -> None:
        self._progress(0.0, "registries join")
        world = self.world
        world.add_registries(self._registries, apart=0.05)
        world.run_until(
            lambda: all(host.node.held.statistics().registries == self._registries for host in world.hosts),
            JOIN_SECONDS,
        )
        self._run(JOINED_SECONDS)

    def _suffer(self) -> None:
        scene = self.scene
        scene.ends_at = scene.now + self._seconds
        self.watch.begin()
        for fault in self.faults:
            fault.begin(scene)
        while scene.now < scene.ends_at:
            self._progress(0.1 + 0.6 * (1 - (scene.ends_at - scene.now) / self._seconds), "faults")
            self._run(min(LOOK_SECONDS, scene.ends_at - scene.now))
            self._start_halted()

    def _start_halted(self) -> None:
        """The operator of a process that ended by itself starts it again. Whoever was made to end has a fault to start
        it."""
        for host in self.scene.hosts:
            if host.halted is not None and not host.is_up and not host.disk.is_full:
                host.halted = None
                host.start()

    def _rest(self) -> float:
        """Heal everything; how many seconds it took until all registries were equal."""
        self._progress(0.7, "healed")
        scene, world = self.scene, self.world
        for fault in self.faults:
            fault.end(scene)
        world.heal()
        for resident in self.residents:
            resident.rest()
        began = scene.now
        while not self._is_at_rest():
            assert scene.now - began < REST_SECONDS, f"not equal within {REST_SECONDS:.0f} s: {self._unrest()}"
            self._run(LOOK_SECONDS)
            self._start_halted()
        rest_s = scene.now - began
        self._progress(0.9, "at rest")
        self._wait(lambda: all(resident.is_settled for resident in self.residents), lambda: "a node without a home")
        self._run(QUIET_SECONDS)
        return rest_s

    def _run(self, seconds: float) -> None:
        until = self.scene.now + seconds
        while self.scene.now < until:
            self.world.run(min(LOOK_SECONDS, until - self.scene.now))
            self.watch.look()

    def _wait(self, condition: Callable[[], bool], complaint: Callable[[], str]) -> None:
        """Something is always on its way: a lease that was renewed, a neighbour that leaves for a nearer one."""
        ends_at = self.scene.now + self.scene.repair_seconds
        while not condition():
            assert self.scene.now < ends_at, complaint()
            self._run(GLANCE_SECONDS)

    def _wait_for_liars(self) -> None:
        """They lie to the end, but some only when they are asked: let them be."""
        ends_at = self.scene.now + ASKED_SECONDS
        while self.scene.now < ends_at and any(isinstance(fault, Liars) and not fault.acts for fault in self.faults):
            self._run(LOOK_SECONDS)

    def _is_at_rest(self) -> bool:
        hosts = self.scene.hosts
        return len(self.scene.up) == len(hosts) and have_equal_roots(hosts) and not differing(hosts)

    def _unrest(self) -> str:
        hosts = self.scene.hosts
        down = [host.name for host in hosts if not host.is_up]
        return f"{down} are down" if down else f"{len(differing(hosts))} cells or nodes differ"

    def _check(self) -> None:
        hosts, watch = self.scene.hosts, self.watch
        self._wait_for_liars()
        for fault in self.faults:
            assert fault.acts > 0, f"{fault.name} was chosen, and did not take place"
        self.world.check()
        self._wait(self._is_at_rest, self._unrest)
        self._wait(lambda: not one_sided(hosts), lambda: f"neighbours on one side only: {one_sided(hosts)}")
        self._wait(lambda: len(parts(hosts)) == 1, lambda: f"parts: {parts(hosts)}")
        assert not watch.lost(hosts), f"acknowledged and lost: {watch.lost(hosts)}"
        assert not watch.false_deaths, f"shown as expired: {watch.false_deaths}"
        assert not watch.unexplained, f"missed without an excuse: {watch.unexplained}"
        watch.check_contacts(hosts)
        watch.check_followers()
