"""Spreads: the 10th, 50th and 95th percentile of a measurement, and what many of them make together.

A mixture is again a spread, at every step from windows to the whole network. Its p50 is the median of theirs, so that
lies move it no further than they move a score; for its p10 and p95 each spread stands for ten parts of measurements:
three at its p10, four at its p50, three at its p95. They then lie on either side of the p50, whatever is mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Spread = tuple[int, int, int]

PERMILLE = (100, 500, 950)
PARTS = (3, 4, 3)


@dataclass(frozen=True, slots=True)
class Spreads:
    """Microseconds, millionths, bits per second; None: not measured."""

    round_trip_time_us: Spread | None = None
    fraction_lost_ppm: Spread | None = None
    bitrate_bps: Spread | None = None


def spread_of(points: Iterable[tuple[int, int]]) -> Spread | None:
    """The percentiles of (value, weight) points by nearest rank: the least value with that share of the weight at or
    below it. None without points."""
    ordered = sorted(points)
    if not ordered:
        return None
    total = sum(weight for _, weight in ordered)
    found: list[int] = []
    below = 0
    for value, weight in ordered:
        below += weight
        while len(found) < len(PERMILLE) and below * 1_000 >= total * PERMILLE[len(found)]:
            found.append(value)
    p10, p50, p95 = found
    return p10, p50, p95


def median(points: Iterable[tuple[int, int]]) -> int:
    """The weighted median of (value, weight) points, at least one; half-way, rounded down, between the two middle
    values when the weight splits evenly between them, so that neither side of a draw wins."""
    ordered = sorted(points)
    half = sum(weight for _, weight in ordered)  # of the doubled weight
    below = 0
    lower = None
    for value, weight in ordered:
        below += 2 * weight
        if lower is None and below >= half:
            lower = value
        if lower is not None and below > half:
            return (lower + value) // 2
    raise AssertionError("a median needs a weight")


def mix(weighted: Sequence[tuple[int, Spreads]]) -> Spreads:
    """The spreads of all, each with its weight; who did not measure something has no say in it."""
    if len(weighted) == 1:
        return weighted[0][1]
    return Spreads(
        _mix_one(weighted, lambda spreads: spreads.round_trip_time_us),
        _mix_one(weighted, lambda spreads: spreads.fraction_lost_ppm),
        _mix_one(weighted, lambda spreads: spreads.bitrate_bps),
    )


def _mix_one(weighted: Sequence[tuple[int, Spreads]], pick: Callable[[Spreads], Spread | None]) -> Spread | None:
    present = [(weight, spread) for weight, spreads in weighted if (spread := pick(spreads)) is not None]
    tails = spread_of(
        (value, weight * parts) for weight, spread in present for value, parts in zip(spread, PARTS, strict=True)
    )
    if tails is None:
        return None
    return tails[0], median((spread[1], weight) for weight, spread in present), tails[2]
