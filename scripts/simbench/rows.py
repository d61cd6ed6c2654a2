"""What is measured, in which scenario, and the bar that it is to reach: the one place for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Bar = tuple[str, float]  # ("<=", 250), ("<", …), (">=", …), ("==", …)


@dataclass(frozen=True, slots=True)
class Measure:
    """One row. `figure`: its name in the outcome of the scenario, or `events`, `seconds`, `events_per_s`.
    Without a bar it is a baseline, or a mere fact."""

    figure: str
    measure: str
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One scenario, over the seeds 1 to `seeds`, with `nodes` or as many as it is meant for."""

    scenario: str
    conditions: str
    measures: Sequence[Measure]
    seeds: int = 20
    nodes: int | None = None


FAILURES = (10, 30, 50, 70, 80, 90, 95)  # percent


def _mass_failure(configuration: str, label: str) -> list[Measure]:
    """The rows of one configuration of `mass-failure`; the papers promise nothing for 95 %."""
    return [
        Measure(f"{configuration}_redundancy_first", f"{label}: redundancy of the first message"),
        Measure(f"{configuration}_redundancy_later", "- of later ones", ("<=", 0.01)),
        Measure(f"{configuration}_last_hop_over_flooding", "- last delivery hop over flooding's", ("<=", 1.1)),
        *(
            Measure(
                f"{configuration}_reliability_after_{percent}_percent",
                f"- reliability after {percent} % failed",
                (">=", 0.99) if percent <= 80 else None,
            )
            for percent in FAILURES
        ),
        *(
            Measure(
                f"{configuration}_connected_reliability_4_cycles_after_{percent}_percent",
                f"- among the connected, 4 shuffles after {percent} % failed",
                ("==", 1) if percent <= 90 else None,
            )
            for percent in FAILURES
        ),
    ]


EXPERIMENTS = (
    Experiment("quiet", "30 registries, 5–50 ms links; 60 Media Nodes register in 5 s", (
        Measure("membership_ms", "from the last start until all know each other, ms"),
        Measure("ack_to_event_p50_ms", "acknowledgement → event at each registry, p50 ms"),
        Measure("ack_to_event_p99_ms", "- p99 ms"),
        Measure("node_crash_to_event_max_ms", "a node's socket breaks → event everywhere, ms"),
        Measure("registry_crash_to_event_max_ms", "a registry dies → its nodes unknown everywhere, ms"),
        Measure("redundancy", "relative message redundancy"),
        Measure("messages_per_registry_per_s", "messages sent by a registry, /s"),
        Measure("bytes_per_registry_per_s", "bytes sent by a registry, /s"),
    )),
    Experiment("swarm", "50 registries; a random few of thirty faults at once, then healing", (
        Measure("faults", "faults that took place"),
        Measure("equal_after_s", "from healing until all hold the same, s"),
        Measure("acknowledged", "acknowledged registrations"),
        Measure("acknowledged_lost", "- lost", ("==", 0)),
        Measure("false_deaths", "live nodes shown as dead", ("==", 0)),
        Measure("misses_unexplained", "batches missed for no fault that took place", ("==", 0)),
    )),
    Experiment("broadcast", "300 registries, active view 8, 10–100 ms links, 50 concurrent origins", (
        Measure("redundancy", "relative message redundancy", ("<=", 0.05)),
        Measure("delivery_p99_ms", "delivery p99, ms", ("<=", 250)),
        Measure("reliability", "reliability", ("==", 1)),
        Measure("flooding_redundancy", "- flooding: redundancy"),
        Measure("flooding_delivery_p99_ms", "- flooding: delivery p99, ms"),
        Measure("shared_tree_redundancy", "- one shared Plumtree: redundancy"),
        Measure("shared_tree_delivery_p99_ms", "- one shared Plumtree: delivery p99, ms"),
    )),
    Experiment("broadcast-loss", "the same, 1 % of the broadcast's messages lost", (
        Measure("redundancy", "relative message redundancy", ("<=", 0.15)),
        Measure("delivery_p99_ms", "delivery p99, ms", ("<=", 900)),
        Measure("reliability", "reliability, before any reconciliation"),
        Measure("flooding_redundancy", "- flooding: redundancy"),
        Measure("flooding_delivery_p99_ms", "- flooding: delivery p99, ms"),
        Measure("shared_tree_redundancy", "- one shared Plumtree: redundancy"),
        Measure("shared_tree_delivery_p99_ms", "- one shared Plumtree: delivery p99, ms"),
    )),
    Experiment("regions", "1 000 registries in 19 regions, each changes something within 5 s", (
        Measure("last_p50_ms", "until the last registry has it, p50 ms (Corrosion: 120)"),
        Measure("last_p99_ms", "- p99 ms (Corrosion: 203)", ("<=", 203)),
        Measure("duplicates_per_node_and_message", "duplicates per node and message (Corrosion: 3.9)", ("<=", 0.2)),
        Measure("payload_sends_per_message", "payload sends per message (Corrosion: 5 280)"),
        Measure("flooding_last_p99_ms", "- flooding on the same overlay: p99 ms"),
        Measure("flooding_duplicates_per_node_and_message", "- flooding: duplicates"),
    ), seeds=5),
    Experiment("crash-half", "1 000 registries, active view 8, half of them crash at once", (
        Measure("reliability_at_once", "reliability before any link is noticed as dead", (">=", 0.999)),
        Measure("reliability_possible", "- share to which a path of living links leads"),
        Measure("reliability_over_possible", "- reliability over that", (">=", 0.999)),
        Measure("reliability_after_repair", "- after the keep-alive, within 10 s", ("==", 1)),
        Measure("reliability_at_once_when_told", "reliability at once, where kernels tell"),
        Measure("reliability_after_repair_when_told", "- later, within 10 s", ("==", 1)),
    )),
    Experiment("mass-failure", "10 000 registries, one sender", (
        *_mass_failure("paper", "active 5, passive 30"),
        *_mass_failure("ours", "active 8, passive 64"),
    ), seeds=5),
    Experiment("steady", "100 registries, no change for 10 min", (
        Measure("grafts_and_prunes_first_min", "grafts and prunes in the first minute"),
        Measure("grafts_and_prunes_last_5_min", "- in the last five", ("<=", 0)),
        Measure("needless_grafts_and_prunes_last_5_min", "- of these, not for a link that was exchanged", ("<=", 0)),
        Measure("redundancy", "relative message redundancy", ("<=", 0.05)),
        Measure("messages_per_registry_s", "messages sent by a registry, /s"),
        Measure("ihaves_per_registry_s", "- IHAVE, /s"),
    )),
    Experiment("partition", "50 registries, 10 000 nodes, halves apart for 10 min, 10 % changed on each side", (
        Measure("cells_lacking", "cells that somebody lacks when the halves meet"),
        Measure("equal_roots_after_s", "until all hold the same, s", ("<=", 15)),
        Measure("peak_over_steady", "peak traffic over steady"),
        Measure("seconds_above_3_times_steady", "seconds with more than 3 × steady", ("<=", 10)),
    ), seeds=5),
    Experiment("kademlia", "1 000 registries", (
        Measure("recall", "recall of the true 20 nearest", (">=", 0.99)),
        Measure("round_trips_p99", "round trips to the nearest, p99", ("<=", 4)),
        Measure("chain_p99", "- to the end of the lookup, p99"),
        Measure("requests_p50", "requests, p50"),
        Measure("crashed_recall", "recall right after 30 % crashed", (">=", 0.9)),
        Measure("crashed_requests_p50", "- requests, p50"),
        Measure("refreshed_recall", "recall after one refresh", (">=", 0.99)),
        Measure("refreshed_round_trips_p99", "- round trips to the nearest, p99", ("<=", 4)),
    ), seeds=5),
    Experiment("kademlia-attack", "1 000 registries, 20 % hostile, one neighbourhood ground", (
        Measure("success", "lookups that find their target", (">=", 0.95)),
        Measure("surrounded_success", "- of the surrounded registry", (">=", 0.95)),
        Measure("recall", "honest ones found of the 20 nearest"),
        Measure("one_path_success", "- one path: success"),
        Measure("one_path_surrounded_success", "- one path: of the surrounded registry"),
    ), seeds=5),
    Experiment("false-deaths", "50 registries, 10 000 nodes, 6 h, 1 % of event loops stalled for 1–9 s", (
        Measure("stalls", "stalls"),
        Measure("renewals", "renewals"),
        Measure("false_deaths", "live nodes shown as dead", ("==", 0)),
        Measure("not_live_share", "share of looks at a node that did not find it live"),
    ), seeds=5),
    Experiment("speed", "100 registries, whole, one core", (
        Measure("events_per_s", "protocol events/s of process time", (">=", 50_000)),
        Measure("virtual_s_per_s", "virtual seconds per second of process time (bar: 1 h in 5 min)", (">=", 12)),
        Measure("mesh_events_per_s", "- overlay and broadcast cores alone: protocol events/s", (">=", 50_000)),
        Measure("mesh_virtual_s_per_s", "- overlay and broadcast cores alone: virtual seconds per second", (">=", 12)),
    ), seeds=5),
)  # fmt: skip
