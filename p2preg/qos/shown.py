"""What `qos.get` and `qos.explain` answer. The first speaks the field's units, the second the integers of the formula,
so that anyone can compute the score again to the last digit. Reporters and prefixes are numbered, not named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from p2preg.base.limits import QOS_EXPLAINED_WINDOWS_MAX
from p2preg.qos import emodel
from p2preg.qos.estimate import PRIOR_MP, PRIOR_WEIGHT, REGISTRY_WEIGHT_MAX, Estimate, weight_of
from p2preg.qos.reporter import Reporter, Share
from p2preg.qos.sample import MICRO
from p2preg.qos.spread import PARTS, PERMILLE, Spread
from p2preg.qos.summary import Summary
from p2preg.qos.vote import Vote
from p2preg.qos.window import Part, Window

PERCENTILES = ("p10", "p50", "p95")
CONSTANTS: dict[str, Any] = {
    "rating_best": emodel.RATING_BEST,
    "buffer_us": emodel.BUFFER_US,
    "knee_us": emodel.KNEE_US,
    "loss_worst": emodel.LOSS_WORST,
    "loss_half_ppm": emodel.LOSS_HALF_PPM,
    "bitrate_needed_bps": dict(emodel.BITRATE_NEEDED_BPS),
    "halving_mp": emodel.HALVING_MP,
    "registry_weight_max": REGISTRY_WEIGHT_MAX,
    "prior_mp": PRIOR_MP,
    "prior_weight": PRIOR_WEIGHT,
    "percentiles_permille": list(PERMILLE),
    "spread_parts": list(PARTS),
}


def shown_estimate(found: Estimate, summaries: Mapping[bytes, Summary], span_s: int) -> dict[str, Any]:
    """The result of `qos.get`; `summaries` by registry."""
    return {
        **_shown_score(found),
        "reports": found.reports,
        "reporters": found.reporters,
        "bitrate_bps": _shown_spread(found.spreads.bitrate_bps, 1),
        "fraction_lost": _shown_spread(found.spreads.fraction_lost_ppm, MICRO),
        "round_trip_time_s": _shown_spread(found.spreads.round_trip_time_us, MICRO),
        "formula": emodel.FORMULA,
        "window_s": span_s,
        "by_registry": {
            registry.hex(): {
                "score": summary.score_mp / 1_000,
                "weight": weight_of(summary),
                "groups": summary.groups,
                "reporters": summary.reporters,
                "reports": summary.reports,
            }
            for registry, summary in summaries.items()
        },
    }


def shown_explanation(
    found: Estimate,
    summaries: Mapping[bytes, Summary],
    own_id: bytes,
    votes: Sequence[Vote],
    displaced: int,
    within: tuple[int, int],
) -> dict[str, Any]:
    """The result of `qos.explain`, from the inputs to the score. `within`: (span in seconds, now in Unix ms)."""
    span_s, now_ms = within
    reporters = sum(len(vote.members) for vote in votes)
    limit = QOS_EXPLAINED_WINDOWS_MAX // max(1, reporters)
    return {
        "formula": emodel.FORMULA,
        "window_s": span_s,
        "time_ms": now_ms,
        "constants": CONSTANTS,
        "own": {
            "registry_id": own_id.hex(),
            "groups": [_shown_vote(vote, within, max(1, limit)) for vote in votes],
            "reporters_displaced": displaced,
        },
        "registries": [
            {
                "registry_id": registry.hex(),
                "score_mp": summary.score_mp,
                "weight": weight_of(summary),
                "groups": summary.groups,
                "reporters": summary.reporters,
                "reports": summary.reports,
            }
            for registry, summary in summaries.items()
        ],
        "observed_mp": found.observed_mp,
        "votes": found.votes,
        "score_mp": found.score_mp,
        **_shown_score(found),
    }


def _shown_score(found: Estimate) -> dict[str, float]:
    return {
        "score": found.score_mp / 1_000,
        "mos": found.mos_milli / 1_000,
        "confidence": found.confidence_ppm / MICRO,
    }


def _shown_spread(spread: Spread | None, scale: int) -> dict[str, float] | None:
    if spread is None:
        return None
    return {name: value if scale == 1 else value / scale for name, value in zip(PERCENTILES, spread, strict=True)}


def _shown_vote(vote: Vote, within: tuple[int, int], limit: int) -> dict[str, Any]:
    reporters = [_shown_reporter(reporter, share, within, limit) for reporter, share in vote.members]
    return {"quality_mp": vote.quality_mp, "weight": 1, "reporters": reporters}


def _shown_reporter(reporter: Reporter, share: Share, within: tuple[int, int], limit: int) -> dict[str, Any]:
    windows = reporter.within(*within)
    return {
        "quality_mp": share.quality_mp,
        "windows": [_shown_window(window) for window in windows[-limit:]],
        "windows_left_out": max(0, len(windows) - limit),
    }


def _shown_window(window: Window) -> dict[str, Any]:
    return {
        "start_ms": window.start_ms,
        "end_ms": window.end_ms,
        "quality_mp": window.quality_mp,
        "parts": [_shown_part(part) for part in window.parts],
    }


def _shown_part(part: Part) -> dict[str, Any]:
    medians = {
        "round_trip_time_us": _p50(part.spreads.round_trip_time_us),
        "jitter_us": part.jitter_us,
        "fraction_lost_ppm": _p50(part.spreads.fraction_lost_ppm),
        "bitrate_bps": _p50(part.spreads.bitrate_bps),
    }
    known = {name: value for name, value in medians.items() if value is not None}
    return {"kind": part.kind, "samples": part.samples, **known, "quality_mp": part.quality_mp}


def _p50(spread: Spread | None) -> int | None:
    return None if spread is None else spread[1]
