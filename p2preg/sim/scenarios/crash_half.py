"""Half of a network crashes at once. What is sent right away has only the trees and the announcements to travel by: a
machine without power is noticed by the keep-alive alone, after ten seconds and more. Later the overlay has repaired
itself, and everybody hears everything again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from p2preg.overlay.config import OverlayConfig
from p2preg.sim.mesh.components import components
from p2preg.sim.mesh.forks import in_a_copy
from p2preg.sim.mesh.mesh import SILENCE_SECONDS, Mesh
from p2preg.sim.mesh.peer import MeshPeer
from p2preg.sim.scenario import Outcome, Scenario, Setting

GROWING_SECONDS = 300.0
ORIGINS = 50
DRAWING = 2  # batches of each origin that draw its tree
PAUSE_SECONDS = 0.02  # between two batches
HEARD_SECONDS = (
    9.0  # what is counted right after the crash came within so long, before a keep-alive can notice anything
)
REPAIR_SECONDS = 10.0  # from when all links are known to be down
WITHIN_SECONDS = 10.0  # what is sent later must be everywhere so soon


@dataclass(frozen=True, slots=True)
class Heard:
    """`at_once`, `later`: the shares of the survivors that heard each message. `possible`: the shares to which living
    links led right after the crash, so that no broadcast could do better. `cut_off`: survivors that no link connects to
    the greatest part of them then."""

    at_once: list[float]
    possible: list[float]
    later: list[float]
    cut_off: int
    digest: str
    events: int


def measure(setting: Setting, overlay: OverlayConfig | None = None) -> Outcome:
    mesh = Mesh(setting.seed, setting.nodes, overlay=overlay)
    mesh.introduce()
    for step in range(10):
        setting.progress(0.05 * step, f"the overlay is {mesh.now:.0f} s old")
        mesh.run(GROWING_SECONDS / 10)
    survivors = mesh.rng.sample(mesh.peers, len(mesh.peers) - len(mesh.peers) // 2)
    origins = survivors[:ORIGINS]
    mesh.hold_origins(origins)
    for _ in range(DRAWING):
        _publish_all(mesh, origins, watch=False)
        mesh.run(2.0)
    setting.progress(0.6, "half of the machines lose their power")
    silent = in_a_copy(_future(mesh, survivors, origins, silent=True))
    setting.progress(0.8, "half of the processes end")
    told = in_a_copy(_future(mesh, survivors, origins, silent=False))
    return Outcome(
        figures={
            "reliability_at_once": _mean(silent.at_once),
            "reliability_at_once_min": round(min(silent.at_once), 4),
            "reliability_possible": _mean(silent.possible),
            "reliability_over_possible": round(_mean(silent.at_once) / _mean(silent.possible), 5),
            "cut_off_at_once": silent.cut_off,
            "reliability_after_repair": _mean(silent.later),
            "reliability_at_once_when_told": _mean(told.at_once),
            "reliability_after_repair_when_told": _mean(told.later),
        },
        trace_hash=f"{silent.digest[:16]}{told.digest[:16]}",
        events=silent.events + told.events - mesh.events,
    )


def _future(mesh: Mesh, survivors: list[MeshPeer], origins: list[MeshPeer], *, silent: bool) -> Callable[[], Heard]:
    """What to do in a copy of the process: the crash and what follows. `silent`: no kernel tells the peers."""
    numbers = [peer.number for peer in survivors]
    kept = dict.fromkeys(numbers)
    unnoticed = SILENCE_SECONDS[1] if silent else 0.0

    def live() -> Heard:
        crashed_at = mesh.now
        mesh.crash([peer for peer in mesh.peers if peer.number not in kept], silent=silent)
        parts = components(mesh)
        cut_off = len(survivors) - max(map(len, parts))
        reach = {number: len(part) / len(survivors) for part in parts for number in part}
        possible = [reach[origin.number] for origin in origins]
        _publish_all(mesh, origins)
        mesh.run(crashed_at + HEARD_SECONDS - mesh.now)
        at_once = [spread.reliability(numbers) for spread in mesh.spreads]
        mesh.run(crashed_at + unnoticed + REPAIR_SECONDS - mesh.now)
        mesh.spreads.clear()
        _publish_all(mesh, origins)
        mesh.run(WITHIN_SECONDS)
        mesh.check()
        later = [spread.reliability(numbers) for spread in mesh.spreads]
        return Heard(at_once, possible, later, cut_off, mesh.digest(), mesh.events)

    return live


def _publish_all(mesh: Mesh, origins: list[MeshPeer], *, watch: bool = True) -> None:
    for origin in origins:
        mesh.publish(origin, watch=watch)
        mesh.run(PAUSE_SECONDS)


def _mean(shares: list[float]) -> float:
    return round(sum(shares) / len(shares), 5)


CRASH_HALF = Scenario(
    "crash-half",
    "half of the registries crash at once: who hears what is sent right after, and ten seconds later",
    measure,
    nodes=1_000,
    nodes_min=10,
)
