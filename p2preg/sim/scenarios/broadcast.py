"""Fifty registries send at once: how fast, how often and by how many copies the others get it, beside two other ways.

Each way spreads on one and the same overlay, grown by the overlay's own core: one tree per origin, flooding, and one
tree for all."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from p2preg.sim.mesh.baselines import flooding, shared_tree
from p2preg.sim.mesh.mesh import MakeBroadcast, Mesh
from p2preg.sim.mesh.peer import MeshPeer
from p2preg.sim.mesh.spread import Spread, quantile
from p2preg.sim.pictures.curve import Axis, Series, line_chart
from p2preg.sim.scenario import Figures, Outcome, Picture, Scenario, Setting
from p2preg.wire.messages import Graft, IHave, Prune

NODES = 300
ORIGINS = 50
OVERLAY_SECONDS = 300.0  # until the overlay itself has come to rest
WARM_SECONDS = 4.0
SENDING_SECONDS = 6.0  # each origin once in each
QUIET_SECONDS = 5.0
LOSS = 0.01
CURVE_POINTS = 200


@dataclass(frozen=True, slots=True)
class Bars:
    """What must hold in networks of up to `NODES`."""

    redundancy: float
    p99_ms: float
    reliability: float


WITHOUT_LOSS = Bars(redundancy=0.05, p99_ms=250.0, reliability=1.0)
WITH_LOSS = Bars(redundancy=0.15, p99_ms=900.0, reliability=0.9999)  # the rest is for reconciliation, not here


@dataclass(frozen=True, slots=True)
class Way:
    """What one way to spread came to."""

    spreads: list[Spread]
    nodes: int
    announcing: int  # IHAVE messages
    repairing: int  # GRAFT and PRUNE messages

    @property
    def delays(self) -> list[float]:
        """Of each delivery, in seconds, ascending."""
        return sorted(delay for spread in self.spreads for delay in spread.reached.values() if delay)

    def figures(self, prefix: str = "") -> Figures:
        """`ihaves_per_delivery` counts messages, which carry many announcements each."""
        delays, receivers = self.delays, self.nodes - 1
        figures: Figures = {
            "redundancy": sum(spread.copies for spread in self.spreads) / len(delays) - 1,
            "delivery_p50_ms": 1000 * quantile(delays, 0.5),
            "delivery_p99_ms": 1000 * quantile(delays, 0.99),
            "delivery_max_ms": 1000 * delays[-1],
            "reliability": len(delays) / (len(self.spreads) * receivers),
            "last_hop": max(spread.last_hop for spread in self.spreads),
            "ihaves_per_delivery": self.announcing / len(delays),
            "grafts_and_prunes_per_delivery": self.repairing / len(delays),
        }
        return {prefix + name: round(value, 4) for name, value in figures.items() if not isinstance(value, str)}


def _run(setting: Setting) -> Outcome:
    return _compare(setting, 0.0, WITHOUT_LOSS)


def _run_with_loss(setting: Setting) -> Outcome:
    return _compare(setting, LOSS, WITH_LOSS)


def _compare(setting: Setting, loss: float, bars: Bars) -> Outcome:
    mesh = Mesh(setting.seed, setting.nodes)
    setting.progress(0.0, f"{setting.nodes} registries come together")
    mesh.introduce()
    mesh.run(OVERLAY_SECONDS)
    origins = Random(f"{setting.seed} origins").sample(mesh.peers, min(ORIGINS, setting.nodes))
    setting.progress(0.3, "one tree per origin")
    ours = _spread(mesh, None, origins, loss)
    setting.progress(0.5, "flooding")
    flooded = _spread(mesh, flooding(mesh), origins, loss)
    setting.progress(0.8, "one tree for all")
    shared = _spread(mesh, shared_tree(mesh), origins, loss)
    figures = ours.figures()
    if setting.nodes <= NODES:
        hold_to(bars, figures)
    figures |= flooded.figures("flooding_") | shared.figures("shared_tree_")
    picture = _picture({"one tree per origin": ours, "flooding": flooded, "one tree for all": shared}, loss)
    return Outcome(figures, mesh.digest(), mesh.events, (Picture("propagation", picture),))


def _spread(mesh: Mesh, make_broadcast: MakeBroadcast | None, origins: list[MeshPeer], loss: float) -> Way:
    """Let all `origins` publish about once a second, after the trees were drawn; then wait for the last repair."""
    mesh.spread_anew(make_broadcast)
    mesh.hold_origins(origins)
    mesh.loss = 0.0
    _publish(mesh, origins, WARM_SECONDS)
    mesh.run(QUIET_SECONDS)
    before, sent_before = len(mesh.spreads), dict(mesh.sent)
    mesh.loss = loss
    _publish(mesh, origins, SENDING_SECONDS)
    mesh.run(QUIET_SECONDS)
    mesh.check()

    def sent(kind: type) -> int:
        return mesh.sent.get(kind, 0) - sent_before.get(kind, 0)

    return Way(mesh.spreads[before:], len(mesh.peers), sent(IHave), sent(Graft) + sent(Prune))


def _publish(mesh: Mesh, origins: list[MeshPeer], seconds: float) -> None:
    for second in range(int(seconds)):
        for origin in origins:
            mesh.publish_after(second + mesh.rng.random(), origin)
    mesh.run(seconds)


def hold_to(bars: Bars, figures: Figures) -> None:
    """`AssertionError` when our own way did not keep to `bars`."""
    redundancy, p99_ms = figures["redundancy"], figures["delivery_p99_ms"]
    assert float(redundancy) <= bars.redundancy, f"{redundancy} redundant copies per delivery"
    assert float(p99_ms) <= bars.p99_ms, f"99 % of the deliveries took up to {p99_ms} ms"
    assert float(figures["reliability"]) >= bars.reliability, f"only {figures['reliability']} of all was delivered"


def _picture(ways: dict[str, Way], loss: float) -> str:
    series = [Series(name, _curve(way)) for name, way in ways.items()]
    title = "How a batch spreads" + (f" when {loss:.0%} of the messages are lost" if loss else "")
    across, upward = Axis("ms since it was published", low=0.0), Axis("share of the registries that have it", 0.0, 1.0)
    return line_chart(title, series, across, upward)


def _curve(way: Way) -> list[tuple[float, float]]:
    delays = way.delays
    expected = len(way.spreads) * (way.nodes - 1)
    step = max(1, len(delays) // CURVE_POINTS)
    return [(1000 * delays[at], (at + 1) / expected) for at in [*range(0, len(delays), step), len(delays) - 1]]


BROADCAST = Scenario(
    "broadcast",
    "fifty registries send at once: delay, copies and reach, beside flooding and one shared tree",
    _run,
    nodes=NODES,
)
BROADCAST_LOSS = Scenario(
    "broadcast-loss",
    "the same while 1 % of the broadcast's messages are lost, and grafts repair it",
    _run_with_loss,
    nodes=NODES,
)
