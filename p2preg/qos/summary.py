"""What one registry's reporters say of a node over one span, and the page that carries it to the others.

A page's body is a map {"formula": 1, "votes_60": [groups, reporters, reports, score], "rtt_us_60": [p10, p50, p95],
"loss_ppm_60", "bitrate_bps_60", the same for 600 and 3600}; a span without reports and a spread that nobody measured
are left out, and keys of a later release are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p2preg.base.errors import RemoteProtocolError
from p2preg.qos.emodel import FORMULA, SCORE_MAX_MP
from p2preg.qos.sample import BITRATE_MAX_BPS, MICRO, ROUND_TRIP_TIME_MAX_S
from p2preg.qos.spread import Spread, Spreads

SPANS_S = (60, 600, 3_600)
VIEW_SPAN_S = 600  # what the directory and `qos.get` show unless asked otherwise
COUNT_MAX = 2**32


class PageInvalid(RemoteProtocolError):
    """A page body that is no summary of formula 1."""


@dataclass(frozen=True, slots=True)
class Summary:
    """`groups` votes of `reporters` keys with `reports` windows, and their median in milli-points. All at least 1."""

    groups: int
    reporters: int
    reports: int
    score_mp: int
    spreads: Spreads


Summaries = dict[int, Summary]  # by span in seconds


def span_for(window_s: int) -> int:
    """The least span that covers `window_s`."""
    return next((span for span in SPANS_S if span >= window_s), SPANS_S[-1])


def page_of(summaries: Mapping[int, Summary]) -> dict[str, Any]:
    """The page body."""
    body: dict[str, Any] = {"formula": FORMULA}
    for span, summary in summaries.items():
        body[f"votes_{span}"] = [summary.groups, summary.reporters, summary.reports, summary.score_mp]
        spreads = summary.spreads
        for name, spread in (
            ("rtt_us", spreads.round_trip_time_us),
            ("loss_ppm", spreads.fraction_lost_ppm),
            ("bitrate_bps", spreads.bitrate_bps),
        ):
            if spread is not None:
                body[f"{name}_{span}"] = list(spread)
    return body


def read_page(body: Any) -> Summaries:
    """What a page body says; `PageInvalid` when it is none of formula 1, or when a number is out of bounds."""
    if not isinstance(body, dict) or type(body.get("formula")) is not int or body["formula"] != FORMULA:
        raise PageInvalid(f"a map with formula {FORMULA} was expected")
    return {span: _summary(body, span) for span in SPANS_S if f"votes_{span}" in body}


def _summary(body: Mapping[str, Any], span: int) -> Summary:
    groups, reporters, reports, score = _integers(body[f"votes_{span}"], 4, COUNT_MAX)
    if not (1 <= groups <= reporters <= reports and score <= SCORE_MAX_MP):
        raise PageInvalid(f"1 <= groups <= reporters <= reports and a score up to {SCORE_MAX_MP} were expected")
    spreads = Spreads(
        _spread(body, f"rtt_us_{span}", ROUND_TRIP_TIME_MAX_S * MICRO),
        _spread(body, f"loss_ppm_{span}", MICRO),
        _spread(body, f"bitrate_bps_{span}", BITRATE_MAX_BPS),
    )
    return Summary(groups, reporters, reports, score, spreads)


def _spread(body: Mapping[str, Any], name: str, high: int) -> Spread | None:
    if name not in body:
        return None
    p10, p50, p95 = _integers(body[name], 3, high)
    if not p10 <= p50 <= p95:
        raise PageInvalid(f"{name}: percentiles in rising order were expected")
    return p10, p50, p95


def _integers(value: Any, count: int, high: int) -> list[int]:
    if not isinstance(value, list) or len(value) != count:
        raise PageInvalid(f"a list of {count} was expected")
    if not all(type(item) is int and 0 <= item <= high for item in value):
        raise PageInvalid(f"integers from 0 to {high} were expected")
    return value
