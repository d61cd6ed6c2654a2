"""Where an axis has its marks: round numbers, few of them, each written differently from the next."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
ABOUT = 6  # ticks on an axis
DECADES_MAX = 4  # beyond, powers of ten only
EXPONENT_MAX = 308  # of a float
_PLAIN_MAX = 10_000  # from here on thousands are written as k


def linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, from at most `low` to at least `high`."""
    if not high > low:
        low, high = (low - 1.0, high + 1.0) if abs(low) < 2**50 else (low * 0.5, low * 1.5)
        low, high = min(low, high), max(low, high)
    step = _round_up((high - low) / ABOUT)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from at most `low` to at least `high`, with 2 and 5 times them where they are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    if last - first > DECADES_MAX:
        every = -(-(last - first) // ABOUT)
        return [10.0 ** min(power, EXPONENT_MAX) for power in range(first, last + every, every)]
    marks = [factor * 10.0**power for power in range(first, last + 2) for factor in (1, 2, 5)]
    start = max(n for n, mark in enumerate(marks) if n == 0 or mark <= low * (1 + 1e-9))
    end = next(n for n, mark in enumerate(marks) if n > start and mark >= high * (1 - 1e-9))
    return marks[start : end + 1]


def _round_up(step: float) -> float:
    """The least of 1, 2, 5 and 10 times a power of ten that is at least `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """As people write them: 0.25, 20, 15k, 2M; beyond that with an exponent."""
    step = min((abs(b - a) for a, b in itertools.pairwise(ticks)), default=1.0)
    return [_label(tick, step).replace("-", "−") for tick in ticks]


def _label(value: float, step: float) -> str:
    if abs(value) < step * 1e-6:
        return "0"
    if abs(value) >= 1e15 or abs(value) < 1e-6:
        return f"{value:.3g}"
    unit, letter = next(((u, t) for u, t in _UNITS if abs(value) >= max(u, _PLAIN_MAX)), (1.0, ""))
    digits = max(0, -math.floor(math.log10(min(step, abs(value)) / unit) + 1e-9))
    text = f"{value / unit:.{min(digits, 9)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + letter
