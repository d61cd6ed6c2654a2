"""Random faults from one seed, and whether the promises were kept."""

from __future__ import annotations

from p2preg.sim.faults.swarm import Report, Swarm
from p2preg.sim.scenario import Figures, Outcome, Scenario, Setting


def run(setting: Setting) -> Outcome:
    """As many Media Nodes as registries, and one subscriber for ten."""
    swarm = Swarm(
        setting.seed,
        setting.nodes,
        residents=setting.nodes,
        followers=max(1, setting.nodes // 10),
        seconds=max(30.0, min(120.0, 1_500 / setting.nodes)),
        progress=setting.progress,
    )
    report = swarm.run()
    return Outcome(_figures(report), report.trace_hash, report.events)


def _figures(report: Report) -> Figures:
    return {
        "faults": len(report.took_place),
        **{f"{name.replace(': ', ' ')} acts": acts for name, acts in report.took_place.items()},
        "equal_after_s": report.rest_s,
        "batches_missed": report.misses,
        "misses_unexplained": report.misses_unexplained,
        "acknowledged": report.acknowledged,
        "acknowledged_lost": report.lost,
        "false_deaths": report.false_deaths,
        "subscriptions_resumed": report.resumed,
    }


SWARM = Scenario(
    name="swarm",
    summary="a random few of thirty faults at once, then healing: nothing acknowledged is lost, nobody declared dead.",
    run=run,
    nodes=50,
)
