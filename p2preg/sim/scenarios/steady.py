"""Ten minutes in which nothing changes: the trees come to rest, and only heartbeats travel.

The overlay may still exchange a link for a nearer one, and the trees that it was part of are repaired. Without such an
exchange there may be no GRAFT and no PRUNE at all."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.broadcast.outgoing import heartbeat_interval
from p2preg.sim.mesh.mesh import Mesh
from p2preg.sim.scenario import Figures, Outcome, Scenario, Setting
from p2preg.wire.messages import Gossip, IHave

MINUTES = 10
RESTING = 5  # minutes at the end in which nobody may graft or prune without need, less than MINUTES
REDUNDANCY_MAX = 0.05
OVERLAY_SECONDS = 600.0  # in which the overlay finds most of its near neighbours
REPAIRED = 4  # heartbeats after an exchange of links: a graft, its grace, and a prune of the slower parent


@dataclass(frozen=True, slots=True)
class Totals:
    """What the cores have counted so far, all together."""

    repairs: int
    accepted: int
    duplicates: int
    links_changed: int

    @classmethod
    def of(cls, mesh: Mesh) -> Totals:
        each = [peer.broadcast.statistics() for peer in mesh.peers]
        repairs = sum(one.grafts_sent + one.prunes_sent for one in each)
        return cls(repairs, sum(one.accepted for one in each), sum(one.duplicates for one in each), mesh.links_changed)


def _run(setting: Setting) -> Outcome:
    mesh = Mesh(setting.seed, setting.nodes)
    setting.progress(0.0, f"{setting.nodes} registries come together")
    mesh.introduce()
    mesh.run(OVERLAY_SECONDS)
    mesh.hold_origins(mesh.peers)
    interval = heartbeat_interval(setting.nodes)
    mesh.heartbeats(interval, mesh.now + 60.0 * MINUTES)
    beats_a_minute = round(60.0 / interval)
    totals = [Totals.of(mesh)]  # one more with each heartbeat
    for minute in range(MINUTES):
        sent_before = dict(mesh.sent)
        for _ in range(beats_a_minute):
            mesh.run(interval)
            totals.append(Totals.of(mesh))
        repairs = totals[-1].repairs - totals[-1 - beats_a_minute].repairs
        setting.progress((minute + 1) / MINUTES, f"minute {minute + 1}: {repairs} grafts and prunes")
    mesh.check()
    sent = {kind: count - sent_before.get(kind, 0) for kind, count in mesh.sent.items()}
    seconds = beats_a_minute * interval * setting.nodes
    figures: Figures = {
        "grafts_and_prunes_first_min": totals[beats_a_minute].repairs,
        **rest(totals, RESTING * beats_a_minute),
        "messages_per_registry_s": round(sum(sent.values()) / seconds, 2),
        "batches_per_registry_s": round(sent.get(Gossip, 0) / seconds, 2),
        "ihaves_per_registry_s": round(sent.get(IHave, 0) / seconds, 2),
    }
    return Outcome(figures, mesh.digest(), mesh.events)


def rest(totals: list[Totals], beats: int) -> Figures:
    """The figures of the last so many heartbeats; `AssertionError` unless the trees rested in them."""
    then, last = totals[-1 - beats], totals[-1]
    accepted, duplicates = last.accepted - then.accepted, last.duplicates - then.duplicates
    needless = 0
    for at in range(len(totals) - beats, len(totals)):
        if totals[at].links_changed == totals[max(0, at - REPAIRED)].links_changed:
            needless += totals[at].repairs - totals[at - 1].repairs
    assert needless == 0, f"{needless} grafts and prunes, though no link had changed"
    assert duplicates <= REDUNDANCY_MAX * accepted, f"{duplicates} copies beside {accepted} in the last minutes"
    return {
        f"needless_grafts_and_prunes_last_{RESTING}_min": needless,
        f"grafts_and_prunes_last_{RESTING}_min": last.repairs - then.repairs,
        f"link_ends_changed_last_{RESTING}_min": last.links_changed - then.links_changed,
        "redundancy": round(duplicates / accepted, 6),
    }


STEADY = Scenario(
    "steady",
    "ten minutes of heartbeats and no change: the trees come to rest, no needless graft or prune",
    _run,
    nodes=100,
)
