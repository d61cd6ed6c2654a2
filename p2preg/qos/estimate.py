"""From votes to one score: medians, because lies up to just under half of the votes then move it only among honest
values, and a pull to the prior that fades as votes come in. The weights are argued in docs/adr/0005-qos-votes.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2preg.qos.emodel import mos_milli
from p2preg.qos.sample import MICRO
from p2preg.qos.spread import Spreads, median, mix
from p2preg.qos.summary import Summary

REGISTRY_WEIGHT_MAX = 8  # votes that one registry's word can count for
PRIOR_MP = 60_000  # neither good nor bad
PRIOR_WEIGHT = 5  # votes that the prior counts for


@dataclass(frozen=True, slots=True)
class Estimate:
    """What all registries together say. `observed_mp`: before the pull to the prior; None without votes."""

    observed_mp: int | None
    votes: int
    score_mp: int
    mos_milli: int
    confidence_ppm: int
    reports: int
    reporters: int
    spreads: Spreads


def weight_of(summary: Summary) -> int:
    """What a registry's word counts for: its groups, so that one reporter at one registry does not outvote ten at
    another, but at most eight, for nobody can check that number."""
    return min(summary.groups, REGISTRY_WEIGHT_MAX)


def estimate(summaries: Sequence[Summary]) -> Estimate:
    """The network's estimate from one summary of each registry, in any order."""
    weighted = [(weight_of(summary), summary) for summary in summaries]
    votes = sum(weight for weight, _ in weighted)
    observed = median((summary.score_mp, weight) for weight, summary in weighted) if weighted else None
    score = ((observed or 0) * votes + PRIOR_MP * PRIOR_WEIGHT) // (votes + PRIOR_WEIGHT)
    return Estimate(
        observed_mp=observed,
        votes=votes,
        score_mp=score,
        mos_milli=mos_milli(score),
        confidence_ppm=MICRO * votes // (votes + PRIOR_WEIGHT),
        reports=sum(summary.reports for summary in summaries),
        reporters=sum(summary.reporters for summary in summaries),
        spreads=mix([(weight, summary.spreads) for weight, summary in weighted]),
    )
