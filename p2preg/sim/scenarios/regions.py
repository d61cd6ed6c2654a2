"""A thousand registries in 19 regions of the world, each of which changes something within the same five seconds: how
soon has the last registry heard of it? The conditions are those of the public simulator of superfly/corrosion, whose
own answer is 120 ms (median) and 203 ms (p99), with 3.9 duplicates for each node and message."""

from __future__ import annotations

from p2preg.broadcast.outgoing import heartbeat_interval
from p2preg.overlay.config import OverlayConfig
from p2preg.sim.mesh.baselines import flooding
from p2preg.sim.mesh.mesh import Mesh
from p2preg.sim.mesh.peer import MeshPeer
from p2preg.sim.mesh.regions import JITTER, RegionMap
from p2preg.sim.mesh.spread import Spread, quantile
from p2preg.sim.scenario import Figures, Outcome, Scenario, Setting
from p2preg.wire.messages import Gossip

GROWING_SECONDS = 600.0  # for the overlay to come to rest, near places included
GROWING_STEPS = 10
HEARTBEAT_SECONDS = 30.0
PUBLISH_SECONDS = 5.0  # in which every registry publishes one change
ARRIVE_SECONDS = 10.0  # for the last of them to arrive, grafts included
FLOODED = 50  # messages of the baseline


def measure(setting: Setting, overlay: OverlayConfig | None = None, *, hints: bool = True) -> Outcome:
    """`hints`: whether registry cells tell their region."""
    mesh = _grown(setting, overlay, hints)
    near = sum(peer.overlay.statistics().near for peer in mesh.peers) / setting.nodes
    setting.progress(0.2, "heartbeats draw the trees")
    mesh.hold_origins(mesh.peers)
    mesh.heartbeats(heartbeat_interval(setting.nodes), until=mesh.now + HEARTBEAT_SECONDS)
    for step in range(10):
        setting.progress(0.2 + 0.06 * step, "heartbeats draw the trees")
        mesh.run(HEARTBEAT_SECONDS / 10)
    setting.progress(0.8, "each registry changes something")
    mesh.sent.clear()
    spreads = _everybody_publishes(mesh)
    figures = _figures(mesh, spreads) | {"near_neighbours": round(near, 2)}
    mesh.check()
    setting.progress(0.9, "flooding, to compare with")
    figures |= _flooded(mesh)
    return Outcome(figures, mesh.digest(), mesh.events)


def _grown(setting: Setting, overlay: OverlayConfig | None, hints: bool) -> Mesh:
    regions = RegionMap(setting.seed, setting.nodes)
    mesh = Mesh(
        setting.seed,
        setting.nodes,
        latency=regions.latency,
        jitter=JITTER,
        region_of=regions.region_of if hints else lambda number: "",
        overlay=overlay,
    )
    mesh.introduce()
    for step in range(GROWING_STEPS):
        setting.progress(0.2 * step / GROWING_STEPS, f"the overlay is {mesh.now:.0f} s old")
        mesh.run(GROWING_SECONDS / GROWING_STEPS)
    return mesh


def _everybody_publishes(mesh: Mesh) -> list[Spread]:
    for peer in mesh.peers:
        mesh.agenda.after(mesh.rng.uniform(0, PUBLISH_SECONDS), _publish, mesh, peer)
    mesh.run(PUBLISH_SECONDS + ARRIVE_SECONDS)
    return mesh.spreads


def _publish(mesh: Mesh, peer: MeshPeer) -> None:
    mesh.publish(peer)


def _figures(mesh: Mesh, spreads: list[Spread]) -> Figures:
    nodes = len(mesh.peers)
    deliveries = [seconds for spread in spreads for seconds in list(spread.reached.values())[1:]]
    last = [spread.seconds for spread in spreads]
    assert all(len(spread.reached) == nodes for spread in spreads), "a registry never heard of a change"
    return {
        "last_p50_ms": _ms(quantile(last, 0.5)),
        "last_p99_ms": _ms(quantile(last, 0.99)),
        "delivery_p99_ms": _ms(quantile(deliveries, 0.99)),
        "duplicates_per_node_and_message": round(_duplicates(spreads), 4),
        "payload_sends_per_message": round(mesh.sent[Gossip] / len(spreads), 1),
    }


def _duplicates(spreads: list[Spread]) -> float:
    """Copies received beyond the first, for each node that had to receive one."""
    needed = sum(len(spread.reached) - 1 for spread in spreads)
    return sum(spread.copies for spread in spreads) / needed - 1


def _flooded(mesh: Mesh) -> Figures:
    """The same from some of the registries, pushed over every link of the same overlay."""
    mesh.spread_anew(flooding(mesh))
    mesh.spreads.clear()
    origins = mesh.rng.sample(mesh.peers, min(FLOODED, len(mesh.peers)))
    mesh.hold_origins(origins)
    for origin in origins:
        mesh.agenda.after(mesh.rng.uniform(0, PUBLISH_SECONDS), _publish, mesh, origin)
    mesh.run(PUBLISH_SECONDS + ARRIVE_SECONDS)
    last = [spread.seconds for spread in mesh.spreads]
    return {
        "flooding_last_p50_ms": _ms(quantile(last, 0.5)),
        "flooding_last_p99_ms": _ms(quantile(last, 0.99)),
        "flooding_duplicates_per_node_and_message": round(_duplicates(mesh.spreads), 2),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


REGIONS = Scenario(
    "regions",
    "registries in 19 regions of the world, all of which change something at once: when has the last one heard of it",
    measure,
    nodes=1_000,
    nodes_min=20,
)
