"""Hours of an ordinary network whose event loops stand still now and then: nobody alive may be taken for dead.

Each registry's loop is stalled for 1 % of the time, 1 to 9 s at a stretch. The Media Nodes do nothing but renew their
proofs. Every registry is looked through every ten minutes, and one more every few seconds."""

from __future__ import annotations

from collections import Counter
from random import Random

from p2preg.registry.contact import EXPIRED, LIVE
from p2preg.sim.host import Host
from p2preg.sim.media import MediaNode
from p2preg.sim.scenario import Outcome, Scenario, Setting
from p2preg.sim.world import World

NODES_PER_REGISTRY = 200
HOURS = 6
STALL_SECONDS = (1.0, 9.0)
STALLED_SHARE = 0.01
REGISTER_BATCH = 50  # nodes that register at once at one registry
LOOK_SECONDS = 10.0  # between two looks through one registry
ROUND_SECONDS = 600.0  # between two looks through all


def _run(setting: Setting) -> Outcome:
    return _hours(setting, HOURS * 3600.0)


def _hours(setting: Setting, seconds: float) -> Outcome:
    world = World(setting.seed, codec=False, quick_signatures=True)
    hosts = world.add_registries(setting.nodes, apart=0.05)
    world.run(10.0)
    nodes: list[MediaNode] = []
    for number in range(NODES_PER_REGISTRY // REGISTER_BATCH):
        setting.progress(0.1 * number / (NODES_PER_REGISTRY // REGISTER_BATCH), f"{len(nodes)} nodes are registered")
        for host in hosts:
            nodes += world.register(host, REGISTER_BATCH)
    world.run(20.0)
    stalls = _Stalls(world, Random(f"{setting.seed} stalls"))
    seen: Counter[str] = Counter()
    began, renewed = world.now, sum(node.renewals for node in nodes)
    looked_at_all = world.now
    while world.now - began < seconds:
        world.run(LOOK_SECONDS)
        look_at_all = world.now - looked_at_all >= ROUND_SECONDS
        for host in hosts if look_at_all else [hosts[int(world.now) % len(hosts)]]:
            _look(host, nodes, seen)
        if look_at_all:
            looked_at_all = world.now
            share = (world.now - began) / seconds
            said = f"{(world.now - began) / 3600:.1f} h, {stalls.count} stalls, {_deaths(seen)} false deaths"
            setting.progress(0.1 + 0.9 * share, said)
    assert stalls.count > 0, "no event loop ever stalled"
    assert all(node.registered for node in nodes)
    world.check()
    return Outcome(
        figures={
            "media_nodes": len(nodes),
            "hours": round((world.now - began) / 3600, 2),
            "stalls": stalls.count,
            "stalled_s": round(stalls.seconds),
            "renewals": sum(node.renewals for node in nodes) - renewed,
            "looks": sum(seen.values()),
            "false_deaths": _deaths(seen),
            "not_live_share": round(1 - seen[LIVE] / sum(seen.values()), 6),
        },
        trace_hash=world.trace.digest(),
        events=world.trace.events,
    )


def _look(host: Host, nodes: list[MediaNode], seen: Counter[str]) -> None:
    """What `host` makes of each Media Node, all of which are well."""
    directory = host.node.registry.directory
    for node in nodes:
        entry = directory.get(node.id)
        seen["missing" if entry is None else entry.contact] += 1


def _deaths(seen: Counter[str]) -> int:
    return seen["missing"] + seen[EXPIRED]


class _Stalls:
    """Stalls every registry now and then, at random."""

    def __init__(self, world: World, rng: Random) -> None:
        self.count = 0
        self.seconds = 0.0
        self._world = world
        self._rng = rng
        for host in world.hosts:
            self._plan(host)

    def _plan(self, host: Host) -> None:
        between = sum(STALL_SECONDS) / 2 * (1 / STALLED_SHARE - 1)
        self._world.agenda.after(self._rng.expovariate(1 / between), self._stall, host)

    def _stall(self, host: Host) -> None:
        seconds = self._rng.uniform(*STALL_SECONDS)
        self.count += 1
        self.seconds += seconds
        host.stall(seconds)
        self._world.agenda.after(seconds, self._plan, host)


FALSE_DEATHS = Scenario(
    "false-deaths",
    "six hours with 1 % of the event loops stalled for seconds at a time: nobody alive is taken for dead",
    _run,
    nodes=50,
)
