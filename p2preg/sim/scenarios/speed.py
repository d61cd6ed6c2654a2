"""How fast this simulator is on this machine: whole registries that have nothing to do but hear each other, then as
many overlay and broadcast cores with the same heartbeats.

Time is the process's own, so that what else the machine does counts little. It enters the figures and not the trace."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from operator import itemgetter

from p2preg.base.events import Expired, Received
from p2preg.sim.mesh.mesh import Mesh
from p2preg.sim.scenario import Figures, Outcome, Scenario, Setting
from p2preg.sim.trace import Trace
from p2preg.sim.world import World

WARM_UP_SECONDS = 30.0
SECONDS = 120.0
STEPS = 12  # of which progress is told
HEARTBEAT_SECONDS = 5.0  # of the mesh's; whole registries choose the same in a network of up to 200
SHOWN_SHARE = 0.01  # kinds of events with less of the time are not shown


class Stopwatch(Trace):
    """Also books the time from each event to the next on the kind of the first, once `start` was called."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._kind = ""
        self._since = 0.0

    def start(self) -> None:
        self.counts.clear()
        self.seconds.clear()
        self._since = time.process_time()

    def note(self, now: float, who: str, what: object) -> None:
        at = time.process_time()
        self.seconds[self._kind] += at - self._since
        self._kind, self._since = _kind(what), at
        self.counts[self._kind] += 1
        super().note(now, who, what)


def _kind(what: object) -> str:
    match what:
        case Received(_, message):
            return type(message).__name__.lower()
        case Expired((str(core), *_)):
            return f"{core}_timer"
        case _:
            return type(what).__name__.lower()


def _run(setting: Setting) -> Outcome:
    world = World(setting.seed, codec=False, quick_signatures=True)
    world.trace = watch = Stopwatch()
    world_share = 0.8  # of the time, for the progress
    setting.progress(0.0, "the registries come together")
    world.add_registries(setting.nodes, apart=0.05)
    world.run(WARM_UP_SECONDS)
    watch.start()
    began = time.process_time()
    for step in range(STEPS):
        setting.progress(world_share * (1 + step) / (1 + STEPS), f"{watch.counts.total()} events")
        world.run(SECONDS / STEPS)
    spent = time.process_time() - began
    world.check()
    setting.progress(world_share, "the same of overlay and broadcast cores alone")
    mesh, figures = _measure_mesh(setting)
    return Outcome(
        figures=_figures(watch, spent) | figures,
        trace_hash=world.trace.digest()[:16] + mesh.digest()[:16],
        events=world.trace.events + mesh.events,
    )


def _measure_mesh(setting: Setting) -> tuple[Mesh, Figures]:
    mesh = Mesh(setting.seed, setting.nodes)
    mesh.introduce()
    mesh.hold_origins(mesh.peers)
    mesh.heartbeats(HEARTBEAT_SECONDS, until=WARM_UP_SECONDS + SECONDS)
    mesh.run(WARM_UP_SECONDS)
    before, began = mesh.events, time.process_time()
    mesh.run(SECONDS)
    spent = time.process_time() - began
    return mesh, {
        "mesh_events_per_s": round((mesh.events - before) / spent),
        "mesh_virtual_s_per_s": round(SECONDS / spent, 1),
    }


def _figures(watch: Stopwatch, spent: float) -> Figures:
    """`..._us`: microseconds for one event of this kind and all that it brings about until the next."""
    figures: Figures = {
        "events_per_s": round(watch.counts.total() / spent),
        "virtual_s_per_s": round(SECONDS / spent, 1),
    }
    for kind, seconds in sorted(watch.seconds.items(), key=itemgetter(1), reverse=True):
        if seconds >= SHOWN_SHARE * spent:
            figures[f"{kind}_events"] = watch.counts[kind]
            figures[f"{kind}_us"] = round(1e6 * seconds / watch.counts[kind], 1)
    return figures


SPEED = Scenario(
    "speed",
    "how many events a second this machine simulates, by kind of event",
    _run,
    nodes=100,
)
