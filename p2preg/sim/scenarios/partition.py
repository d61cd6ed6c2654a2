"""A network falls into halves for ten minutes, a tenth of the nodes changes on each side, and the halves meet again.

The traffic is measured on messages in their encoding. "Steady" is the mean of the minute before the halves meet, when
each side carries its own heartbeats and renewals."""

from __future__ import annotations

from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, Cell
from p2preg.sim.host import Host
from p2preg.sim.media import MediaNode
from p2preg.sim.rest import have_equal_roots
from p2preg.sim.scenario import Outcome, Scenario, Setting
from p2preg.sim.world import World

NODES_PER_REGISTRY = 200
CHANGED = 0.1  # share of each side's nodes that change while apart
APART_SECONDS = 600.0
STEADY_SECONDS = 60.0
AGREE_SECONDS = 20.0  # for the last registrations to be everywhere
AFTER_SECONDS = 60.0
REGISTER_BATCH = 50  # nodes that register at once at one registry
TRAFFIC_FACTOR = 3.0
KINDS = (REGISTRY, LEASE, ADVERT)


def _run(setting: Setting) -> Outcome:
    world = World(setting.seed, codec=False, quick_signatures=True)
    setting.progress(0.0, f"{setting.nodes} registries come together")
    hosts = world.add_registries(setting.nodes, apart=0.05)
    world.run(10.0)
    nodes = _populate(world, hosts, setting)
    half = len(hosts) // 2
    sides = hosts[:half], hosts[half:]
    world.partition(*sides)
    for part in range(10):
        setting.progress(0.4 + part * 0.04, f"apart for {part} of 10 minutes")
        if part == 5:
            _change(sides, nodes)
        world.run((APART_SECONDS - STEADY_SECONDS) / 10)
    setting.progress(0.8, "the traffic of a quiet minute")
    world.network.codec = True  # from here on bytes are counted
    steady = sum(_traffic(world, STEADY_SECONDS)) / STEADY_SECONDS
    missing = _Missing(hosts)
    assert missing.cells, "the halves did not differ"
    world.heal()
    setting.progress(0.9, "the halves meet")
    equal_after, traffic = _reunite(world, missing)
    _insist_on_equal_roots(world, hosts)
    world.check()
    return Outcome(
        figures={
            "media_nodes": len(nodes),
            "cells_lacking": missing.cells,
            "equal_roots_after_s": equal_after,
            "steady_bytes_per_s": round(steady),
            "peak_over_steady": round(max(traffic) / steady, 2),
            "seconds_above_3_times_steady": sum(each > TRAFFIC_FACTOR * steady for each in traffic),
            "moved_bytes": round(sum(traffic) - steady * len(traffic)),
        },
        trace_hash=world.trace.digest(),
        events=world.trace.events,
    )


def _populate(world: World, hosts: list[Host], setting: Setting) -> list[MediaNode]:
    nodes: list[MediaNode] = []
    for number in range(NODES_PER_REGISTRY // REGISTER_BATCH):
        for done, host in enumerate(hosts):
            share = (number + done / len(hosts)) * REGISTER_BATCH / NODES_PER_REGISTRY
            setting.progress(0.4 * share, f"{len(nodes)} Media Nodes are registered")
            nodes += world.register(host, REGISTER_BATCH)
    world.run(AGREE_SECONDS)
    assert len(nodes) == len(hosts) * NODES_PER_REGISTRY == min(len(host.node.registry.directory) for host in hosts)
    return nodes


def _change(sides: tuple[list[Host], list[Host]], nodes: list[MediaNode]) -> None:
    """A tenth of each side's nodes says something new of itself."""
    for side in sides:
        ids = dict.fromkeys(host.id for host in side)
        ours = [node for node in nodes if node.client is not None and node.client.host.id in ids]
        for node in ours[: int(len(ours) * CHANGED)]:
            assert node.client is not None
            node.attributes = node.attributes | {"region": "moved"}
            node.client.send("node.register", **node.description())


class _Missing:
    """What each registry lacks of all that was held anywhere at one moment. Later versions count as well."""

    def __init__(self, hosts: list[Host]) -> None:
        newest: dict[bytes, Cell] = {}
        for host in hosts:
            for cell in (cell for kind in KINDS for cell in host.node.held.cells(kind)):
                if cell.key not in newest or newest[cell.key].order < cell.order:
                    newest[cell.key] = cell
        self._lacking = [(host, list(newest.values())) for host in hosts]
        self.cells = self.count()

    def count(self) -> int:
        """How many cells are still lacking, at all registries together."""
        self._lacking = [(host, [cell for cell in cells if _lacks(host, cell)]) for host, cells in self._lacking]
        return sum(len(cells) for _, cells in self._lacking)


def _lacks(host: Host, cell: Cell) -> bool:
    held = host.node.held.get(cell.key)
    return held is None or held.order < cell.order


def _traffic(world: World, seconds: float) -> list[int]:
    """Bytes sent in each of so many seconds."""
    each = []
    for _ in range(int(seconds)):
        before = world.network.counts["bytes"]
        world.run(1.0)
        each.append(world.network.counts["bytes"] - before)
    return each


def _reunite(world: World, missing: _Missing) -> tuple[float, list[int]]:
    """Seconds until nobody lacks anything, and the bytes of each second for a minute."""
    began, equal_after, traffic = world.now, 0.0, []
    while world.now - began < AFTER_SECONDS:
        before = world.network.counts["bytes"]
        for _ in range(10):
            world.run(0.1)
            if not equal_after and not missing.count():
                equal_after = round(world.now - began, 1)
        traffic.append(world.network.counts["bytes"] - before)
    assert equal_after, f"{missing.count()} cells are lacking {AFTER_SECONDS:.0f} s after the halves met"
    return equal_after, traffic


def _insist_on_equal_roots(world: World, hosts: list[Host]) -> None:
    """Something is nearly always on its way, so a moment is looked for in which nothing is."""
    for _ in range(200):
        if have_equal_roots(hosts):
            return
        world.run(0.05)
    raise AssertionError("the roots were never equal")


PARTITION = Scenario(
    "partition",
    "halves apart for ten minutes, a tenth of the Media Nodes changed on each side: how soon all agree again",
    _run,
    nodes=50,
    nodes_min=4,
)
