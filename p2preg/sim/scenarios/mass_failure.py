"""The experiments of the HyParView and Plumtree papers (Leitão, Pereira and Rodrigues 2007), on the same scale: what
one sender's broadcast costs, and how much of it arrives when most of the network fails at once, right then and after
each of the next shuffles. First with the papers' view sizes, then with ours, near places and ring neighbours included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from p2preg.overlay.config import OverlayConfig
from p2preg.sim.mesh.baselines import flooding
from p2preg.sim.mesh.components import greatest_component
from p2preg.sim.mesh.forks import in_a_copy
from p2preg.sim.mesh.mesh import Mesh
from p2preg.sim.mesh.peer import MeshPeer
from p2preg.sim.mesh.spread import Spread
from p2preg.sim.pictures.curve import Axis, Series, line_chart
from p2preg.sim.scenario import Figures, Outcome, Picture, Scenario, Setting

PAPER = OverlayConfig(active_max=5, inbound_max=5, passive_max=30, near_wanted=0, near_max=0, has_ring=False)
OURS = OverlayConfig()
CONFIGURATIONS = {"paper": PAPER, "ours": OURS}
FAILED_PERCENT = (10, 30, 50, 70, 80, 90, 95)
CYCLES = 4
JOIN_SECONDS = 0.01  # between two newcomers
SETTLING_CYCLES = 15  # near places are taken by then
LATER_MESSAGES = 10  # of the one sender, after the first
SENDERS = 20  # of the messages right after a failure,
TOLD_SECONDS = 0.5  # from the failure to the first of them: the kernels tell, and first replacements are found
RIGHT_AFTER_SECONDS = 10.0  # in which they send, each once: half a cycle
SENDERS_LATER = 5  # and of those after each cycle
PAUSE_SECONDS = 0.02  # between two of their messages
APART_SECONDS = 3.0  # between two of the one sender
ARRIVE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Aftermath:
    """`reliability`, `connected`: right after the failure, then after each cycle; of all that are left, and of those
    that are connected. `digest`, `events`: of the network at the end."""

    reliability: tuple[float, ...]
    connected: tuple[float, ...]
    digest: str
    events: int


def _run(setting: Setting) -> Outcome:
    figures: Figures = {}
    aftermaths: dict[str, list[Aftermath]] = {}
    hashes, events = "", 0
    for at, (name, overlay) in enumerate(CONFIGURATIONS.items()):
        figures_of, aftermaths[name] = in_a_copy(_experiment(setting, name, overlay, at / len(CONFIGURATIONS)))
        figures |= figures_of
        hashes += aftermaths[name][-1].digest[:16]
        events += sum(aftermath.events for aftermath in aftermaths[name])
    return Outcome(figures, hashes, events, _pictures(aftermaths, setting))


def _experiment(
    setting: Setting, name: str, overlay: OverlayConfig, began: float
) -> Callable[[], tuple[Figures, list[Aftermath]]]:
    def experiment() -> tuple[Figures, list[Aftermath]]:
        setting.progress(began, f"{name}: {setting.nodes} registries join one after the other")
        mesh = Mesh(setting.seed, setting.nodes, overlay=overlay)
        mesh.join(apart=JOIN_SECONDS)
        if overlay.has_ring:
            mesh.close_ring()
        mesh.run(SETTLING_CYCLES * overlay.shuffle_interval)
        setting.progress(began + 0.2, f"{name}: one sender")
        figures = in_a_copy(lambda: _one_sender(mesh))
        senders = mesh.rng.sample(mesh.peers, min(SENDERS, setting.nodes // 20))
        mesh.hold_origins(senders)
        for _ in range(2):
            _publish(mesh, senders, PAUSE_SECONDS)
        mesh.spreads.clear()
        aftermaths = []
        for done, percent in enumerate(FAILED_PERCENT):
            setting.progress(began + 0.25 + 0.035 * done, f"{name}: {percent} % fail")
            aftermaths.append(in_a_copy(_failure(mesh, senders, percent, overlay.shuffle_interval)))
            figures |= _of_failure(percent, aftermaths[-1])
        return {f"{name}_{key}": figure for key, figure in figures.items()}, aftermaths

    return experiment


# --- one sender ---------------------------------------------------------------------------------------------


def _one_sender(mesh: Mesh) -> Figures:
    sender = mesh.peers[mesh.rng.randrange(len(mesh.peers))]
    first, *later = _messages_of(mesh, sender, 1 + LATER_MESSAGES)
    mesh.spread_anew(flooding(mesh))
    (flooded,) = _messages_of(mesh, sender, 1)
    last_hop = sum(spread.last_hop for spread in later) / len(later)
    return {
        "mean_degree": round(sum(len(peer.overlay.neighbours) for peer in mesh.peers) / len(mesh.peers), 2),
        "redundancy_first": round(first.redundancy, 3),
        "redundancy_later": round(sum(spread.redundancy for spread in later) / len(later), 4),
        "last_hop": round(last_hop, 1),
        "last_hop_over_flooding": round(last_hop / flooded.last_hop, 2),
    }


def _messages_of(mesh: Mesh, sender: MeshPeer, count: int) -> list[Spread]:
    mesh.spreads.clear()
    mesh.hold_origins([sender])
    for _ in range(count):
        mesh.publish(sender)
        mesh.run(APART_SECONDS)
    return mesh.spreads.copy()


# --- mass failures ------------------------------------------------------------------------------------------


def _failure(mesh: Mesh, senders: Sequence[MeshPeer], percent: int, cycle: float) -> Callable[[], Aftermath]:
    """What to do in a copy of the process. The senders are among those that are left."""

    def live() -> Aftermath:
        spared = dict.fromkeys(sender.number for sender in senders)
        mortal = [peer for peer in mesh.peers if peer.number not in spared]
        mesh.crash(mesh.rng.sample(mortal, min(len(mortal), len(mesh.peers) * percent // 100)))
        mesh.run(TOLD_SECONDS)
        results = [_reliability(mesh, senders, RIGHT_AFTER_SECONDS / len(senders))]
        for _ in range(CYCLES):
            mesh.run(cycle - ARRIVE_SECONDS - SENDERS_LATER * PAUSE_SECONDS)
            results.append(_reliability(mesh, senders[:SENDERS_LATER], PAUSE_SECONDS))
        reliability, connected = zip(*results, strict=True)
        return Aftermath(reliability, connected, mesh.digest(), mesh.events)

    return live


def _reliability(mesh: Mesh, senders: Sequence[MeshPeer], apart: float) -> tuple[float, float]:
    """Which share of all that are left heard a message, and of those that were connected when it was over; means. The
    senders send `apart` seconds apart, the first at once."""
    mesh.spreads.clear()
    _publish(mesh, senders, apart)
    mesh.run(ARRIVE_SECONDS)
    alive, connected = [peer.number for peer in mesh.alive], greatest_component(mesh)
    among = [[spread.reliability(numbers) for spread in mesh.spreads] for numbers in (alive, connected)]
    return sum(among[0]) / len(senders), sum(among[1]) / len(senders)


def _publish(mesh: Mesh, senders: Sequence[MeshPeer], apart: float) -> None:
    for sender in senders:
        mesh.publish(sender)
        mesh.run(apart)


def _of_failure(percent: int, aftermath: Aftermath) -> Figures:
    return {
        f"reliability_after_{percent}_percent": round(aftermath.reliability[0], 4),
        f"reliability_4_cycles_after_{percent}_percent": round(aftermath.reliability[-1], 4),
        f"connected_reliability_4_cycles_after_{percent}_percent": round(aftermath.connected[-1], 4),
    }


def _pictures(aftermaths: dict[str, list[Aftermath]], setting: Setting) -> tuple[Picture, ...]:
    series = [
        Series(
            f"{name}, {when}",
            [(percent, each.reliability[at]) for percent, each in zip(FAILED_PERCENT, of, strict=True)],
        )
        for name, of in aftermaths.items()
        for at, when in ((0, "right after"), (1, "1 shuffle later"), (CYCLES, f"{CYCLES} shuffles later"))
    ]
    x, y = Axis("registries that failed at once, %", 0, 100), Axis("share of the others that hears a message", 0, 1)
    title = f"Reliability after mass failures, {setting.nodes} registries"
    return (Picture("mass-failure", line_chart(title, series, x, y)),)


MASS_FAILURE = Scenario(
    "mass-failure",
    "the HyParView and Plumtree papers' experiments: one sender, then up to 95 % of the registries fail at once",
    _run,
    nodes=10_000,
    nodes_min=60,
)
