"""The first scenario: a network comes together, Media Nodes register everywhere, one of them crashes and a registry.

A subscriber at every registry notes when it was told of each change, so a sample is one change at one registry, as a
client sees it. Computing takes no virtual time: what is measured is hops, waits and timers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from p2preg.sim.checks import differing, versions_at
from p2preg.sim.host import Host
from p2preg.sim.media import MediaNode
from p2preg.sim.mesh.spread import quantile
from p2preg.sim.pictures import Axis, Series, line_chart, tree_picture
from p2preg.sim.scenario import Figures, Outcome, Picture, Scenario, Setting
from p2preg.sim.witness import Witness
from p2preg.sim.world import World

SECONDS = 30.0  # from the moment when all registries know each other
APART = 0.1  # seconds between two registries that start
MEMBERSHIP_SECONDS = 30.0  # at most, until all know each other
NODES_PER_REGISTRY = 2
REGISTERING_SECONDS = 5.0
NOTICED_SECONDS = 2.0  # at most, until all know that a socket broke
UNKNOWN_SECONDS = 20.0  # at most, until all say that a registry is not heard: three heartbeats and what they vary


def _run(setting: Setting) -> Outcome:
    quiet = Quiet(setting)
    quiet.form()
    quiet.register()
    quiet.lose_node()
    quiet.lose_registry()
    quiet.come_to_rest()
    quiet.check()
    return Outcome(quiet.figures(), quiet.world.trace.digest(), quiet.world.trace.events, quiet.pictures())


@dataclass(frozen=True, slots=True)
class Totals:
    """What was sent so far, and what the broadcast made of it."""

    messages: int
    bytes: int
    accepted: int
    duplicates: int


class Quiet:
    """One run, told in the order of its methods."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.world = World(setting.seed)
        self.witnesses: dict[Host, Witness] = {}
        self.nodes: list[MediaNode] = []
        self.delays: list[float] = []  # seconds from an acknowledgement to each registry's event
        self.crashed: list[MediaNode] = []
        self._formed_at = 0.0
        self._membership_seconds = 0.0
        self._noticed: list[float] = []
        self._unknown: list[float] = []
        self._before = self._after = Totals(0, 0, 0, 0)

    @property
    def hosts(self) -> list[Host]:
        return self.world.running

    def form(self) -> None:
        """All registries start, each with the first for a seed, and get to know each other."""
        world, count = self.world, self.setting.nodes
        self.setting.progress(0.0, f"{count} registries come together")
        world.add_registries(count, apart=APART)
        self._membership_seconds = APART + world.run_until(
            lambda: all(len(list(host.node.held.registries())) == count for host in world.hosts), MEMBERSHIP_SECONDS
        )
        self._formed_at = world.now
        for host in world.hosts:
            witness = self.witnesses[host] = Witness(lambda: world.now)
            world.add_client(host).subscribe_nowait(witness, include="all")
        world.run(1.0)
        self._before = self._totals(world.hosts[:-1])

    def register(self) -> None:
        """Media Nodes register, one after the other, at all registries in turn."""
        acknowledged: dict[str, float] = {}
        count = NODES_PER_REGISTRY * len(self.hosts)
        for number in range(count):
            self.setting.progress(0.3 + 0.3 * number / count, f"{number} Media Nodes are registered")
            node = self.world.add_node()
            self.world.attach(node, self.hosts[number % len(self.hosts)])
            acknowledged[node.id.hex()] = self.world.now
            self.nodes.append(node)
            self.world.run(REGISTERING_SECONDS / count)
        self._wait_told(self.nodes, "live", NOTICED_SECONDS)
        self.delays = [
            max(0.0, witness.told[node_id, "live"] - at)  # a client at the home hears both at once
            for node_id, at in acknowledged.items()
            for witness in self.witnesses.values()
        ]

    def lose_node(self) -> None:
        """A Media Node's process ends: its socket closes without a farewell."""
        self.setting.progress(0.6, "a Media Node crashes")
        [victim] = self.crashed = self.nodes[:1]
        victim.leave_socket()
        self._noticed = self._wait_told([victim], "suspect", NOTICED_SECONDS)

    def lose_registry(self) -> None:
        """A registry's process ends, and its guests find another one only after all know it."""
        self.setting.progress(0.65, "a registry crashes")
        home = self.hosts[-1]
        guests = [node for node in self.nodes if node.client is not None and node.client.host is home]
        del self.witnesses[home]
        home.crash()
        self._unknown = self._wait_told(guests, "unknown", UNKNOWN_SECONDS)
        for node in guests:
            self.world.attach(node, self.hosts[0])

    def come_to_rest(self) -> None:
        while (left := self._formed_at + SECONDS - self.world.now) > 0:
            self.setting.progress(0.98 - 0.3 * left / SECONDS, f"{SECONDS - left:.0f} of {SECONDS:.0f} virtual seconds")
            self.world.run(min(1.0, left))
        self._after = self._totals(self.hosts)

    def check(self) -> None:
        """What must hold when all has come to rest."""
        self.setting.progress(0.98, "the last checks")
        self.world.check()
        assert not differing(self.hosts), "the registries hold different things"
        alive = [node for node in self.nodes if node not in self.crashed]
        for host, witness in self.witnesses.items():
            shown = {node_id.hex(): version.hex() for node_id, version in versions_at(host).items()}
            assert witness.versions == shown, f"the subscriber at {host.name} does not hold what that shows"
            lost = [node.name for node in alive if node.id.hex() not in shown]
            assert not lost, f"{host.name} does not show {lost}, which were acknowledged"
            for node in alive:
                contact = witness.nodes[node.id.hex()]["contact"]
                assert contact == "live", f"{host.name} says {contact} of {node.name}, which lives"
                buried = [said for said in ("suspect", "expired", "gone") if (node.id.hex(), said) in witness.told]
                assert not buried, f"{host.name} said {buried} of {node.name}, which lived all the time"

    def _wait_told(self, nodes: list[MediaNode], contact: str, within: float) -> list[float]:
        """Wait until all registries said this of these nodes; the seconds that each took."""
        began = self.world.now
        witnesses = self.witnesses.values()
        wanted = [(node.id.hex(), contact) for node in nodes]
        self.world.run_until(lambda: all(each in witness.told for witness in witnesses for each in wanted), within)
        return [witness.told[each] - began for witness in witnesses for each in wanted]

    # --- what came of it ------------------------------------------------------------------------------------

    def _totals(self, hosts: Iterable[Host]) -> Totals:
        """`hosts`: whose broadcasts are counted; all messages are."""
        counts = self.world.network.counts
        statistics = [host.node.broadcast.statistics() for host in hosts]
        accepted, duplicates = (sum(getattr(each, name) for each in statistics) for name in ("accepted", "duplicates"))
        return Totals(counts["messages"], counts["bytes"], accepted, duplicates)

    def figures(self) -> Figures:
        registry_seconds = (SECONDS - 1.0) * self.setting.nodes
        before, after = self._before, self._after
        return {
            "membership_ms": _ms(self._membership_seconds),
            "ack_to_event_p50_ms": _ms(quantile(self.delays, 0.5)),
            "ack_to_event_p99_ms": _ms(quantile(self.delays, 0.99)),
            "ack_to_event_max_ms": _ms(max(self.delays)),
            "node_crash_to_event_max_ms": _ms(max(self._noticed)),
            "registry_crash_to_event_max_ms": _ms(max(self._unknown)),
            "redundancy": round((after.duplicates - before.duplicates) / (after.accepted - before.accepted), 3),
            "messages_per_registry_per_s": round((after.messages - before.messages) / registry_seconds, 1),
            "bytes_per_registry_per_s": round((after.bytes - before.bytes) / registry_seconds),
        }

    def pictures(self) -> tuple[Picture, ...]:
        return Picture("propagation", self._propagation()), Picture("tree", self._tree())

    def _propagation(self) -> str:
        """Which share of the registries had told a change so long after it was acknowledged: the mean of all changes,
        the fastest and the slowest."""
        width = len(self.delays) // len(self.nodes)
        changes = [sorted(self.delays[n : n + width]) for n in range(0, len(self.delays), width)]
        ordered = sorted(changes, key=lambda change: change[-1])
        series = [
            Series(f"mean of {len(changes)} registrations", _share_reached(self.delays), steps=True),
            Series("the fastest", _share_reached(ordered[0]), steps=True),
            Series("the slowest", _share_reached(ordered[-1]), steps=True),
        ]
        return line_chart(
            "How a registration spreads",
            series,
            Axis("milliseconds after its acknowledgement", low=0.0),
            Axis("% of the registries have told their subscribers", low=0.0, high=100.0),
            f"{width} registries, 5 to 50 ms apart, seed {self.setting.seed}",
        )

    def _tree(self) -> str:
        """Where the first registry's changes are pushed."""
        names = {host.id: host.name for host in self.hosts}
        origin = self.hosts[0]
        eager: dict[str, list[str]] = {}
        lazy: list[tuple[str, str]] = []
        for host in self.hosts:
            broadcast = host.node.broadcast
            eager[host.name] = [names[peer] for peer in broadcast.eager(origin.id) if peer in names]
            lazy += [(host.name, names[peer]) for peer in broadcast.lazy(origin.id) if peer in names]
        return tree_picture(
            f"The tree along which {origin.name} spreads its changes",
            origin.name,
            eager,
            lazy,
            f"as it stood after {self.world.now:.0f} virtual seconds, seed {self.setting.seed}",
        )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _share_reached(delays: Iterable[float]) -> list[tuple[float, float]]:
    """(milliseconds, percent) as it grows."""
    ordered = sorted(delays)
    return [(0.0, 0.0), *((delay * 1000, 100 * (n + 1) / len(ordered)) for n, delay in enumerate(ordered))]


QUIET = Scenario(
    name="quiet",
    summary="half a minute of registries: they meet, Media Nodes register, one of these crashes, and then a registry",
    run=_run,
    nodes=30,
)
