"""A line chart: named series over one pair of axes, each linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from p2preg.sim.pictures.svg import FAINT, HEADER, MARGIN, PALETTE, SOFT, dot, line, page, width_of, words
from p2preg.sim.pictures.ticks import linear_ticks, log_ticks, tick_labels

WIDTH, PLOT_HEIGHT = 860, 340
LEFT, RIGHT, BOTTOM = 76, 36, 64
LEGEND_ROW, LABEL_ROW = 24, 34
DASHES = ("", "7 4", "2 4")  # for series beyond the colours
LARGEST = 1e300  # what is greater cannot be scaled
DOTTED_MAX = 40  # points of a series that are marked one by one

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """`points`: in order of x. `steps`: y stays until the next x, as a share reached does."""

    name: str
    points: Sequence[Point]
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """`label` names the unit. `low`, `high`: shown at least; a logarithmic axis leaves out what is not positive."""

    label: str
    low: float | None = None
    high: float | None = None
    is_log: bool = False

    def shows(self, value: float) -> bool:
        return abs(value) <= LARGEST and (value >= 1 / LARGEST or not self.is_log)


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels."""

    ticks: Sequence[float]
    start: float
    end: float
    is_log: bool

    def __call__(self, value: float) -> float:
        low, high = self._at(self.ticks[0]), self._at(self.ticks[-1])
        return self.start + (self._at(value) - low) / (high - low) * (self.end - self.start)

    def _at(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def line_chart(title: str, series: Sequence[Series], x: Axis, y: Axis, subtitle: str = "") -> str:
    """The chart as an SVG document. Points without a place on the axes are left out."""
    shown = [_visible(each, x, y) for each in series]
    places, rows = _legend_places([each.name for each in shown])
    top = HEADER + rows * LEGEND_ROW + LABEL_ROW
    base = top + PLOT_HEIGHT
    across = _scale(x, [point[0] for each in shown for point in each.points], LEFT, WIDTH - RIGHT)
    upward = _scale(y, [point[1] for each in shown for point in each.points], base, top)
    marks = [*_horizontal(y, upward), *_vertical(x, across, top, base)]
    for number, each in enumerate(shown):
        marks += _curve(each, number, across, upward)
    for number, (each, (left, row)) in enumerate(zip(shown, places, strict=True)):
        marks += _legend(each.name, number, left, HEADER + row * LEGEND_ROW)
    if not any(each.points for each in shown):
        marks.append(words((LEFT + WIDTH - RIGHT) / 2, (top + base) / 2, "nothing was measured",
                           size=14, fill=SOFT, anchor="middle"))  # fmt: skip
    return page(title, subtitle, WIDTH, base + BOTTOM, marks)


def _visible(series: Series, x: Axis, y: Axis) -> Series:
    points = [(float(a), float(b)) for a, b in series.points if x.shows(a) and y.shows(b)]
    return Series(series.name, points, series.steps)


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> Scale:
    bounds = [bound for bound in (axis.low, axis.high) if bound is not None and axis.shows(bound)]
    all_values = [*values, *bounds] or [1.0, 10.0]
    low, high = min(all_values), max(all_values)
    return Scale(log_ticks(low, high) if axis.is_log else linear_ticks(low, high), start, end, axis.is_log)


def _colour(number: int) -> tuple[str, str]:
    """Colour and dash of the series of that number."""
    return PALETTE[number % len(PALETTE)], DASHES[number // len(PALETTE) % len(DASHES)]


# --- axes ---------------------------------------------------------------------------------------------------


def _horizontal(axis: Axis, upward: Scale) -> list[str]:
    """The grid lines with the numbers of y, and its label above them."""
    marks = [words(MARGIN, upward.end - 14, axis.label, fill=SOFT)]
    for value, label in zip(upward.ticks, tick_labels(upward.ticks), strict=True):
        at = upward(value)
        marks.append(line([(LEFT, at), (WIDTH - RIGHT, at)], FAINT))
        marks.append(words(LEFT - 10, at + 4, label, fill=SOFT, anchor="end"))
    return marks


def _vertical(axis: Axis, across: Scale, top: float, base: float) -> list[str]:
    """The numbers of x beneath the chart, those left out that would touch the one before."""
    marks = [line([(LEFT, base), (WIDTH - RIGHT, base)], SOFT)]
    free_from = -math.inf
    for value, label in zip(across.ticks, tick_labels(across.ticks), strict=True):
        at, half = across(value), width_of(label, 12) / 2
        marks += [line([(at, top), (at, base)], FAINT, 0.5), line([(at, base), (at, base + 5)], SOFT)]
        if at - half >= free_from:
            marks.append(words(at, base + 20, label, fill=SOFT, anchor="middle"))
            free_from = at + half + 8
    marks.append(words((LEFT + WIDTH - RIGHT) / 2, base + 44, axis.label, fill=SOFT, anchor="middle"))
    return marks


# --- series -------------------------------------------------------------------------------------------------


def _curve(series: Series, number: int, across: Scale, upward: Scale) -> list[str]:
    colour, dash = _colour(number)
    places = [(across(a), upward(b)) for a, b in series.points]
    marks = []
    if len(places) > 1:
        path = _stairs(places) if series.steps else places
        marks.append(line(path, colour, 2.5, dash=dash))
    if len(places) == 1 or (not series.steps and len(places) <= DOTTED_MAX):
        marks += [dot(a, b, 4, colour) for a, b in places]
    return marks


def _stairs(places: Sequence[Point]) -> list[Point]:
    path = [places[0]]
    for a, b in places[1:]:
        path += [(a, path[-1][1]), (a, b)]
    return path


def _legend_places(names: Sequence[str]) -> tuple[list[Point], int]:
    """(left, row) of each entry, and how many rows they take."""
    places, left, row = [], float(MARGIN), 0
    for name in names:
        wide = 36 + width_of(name, 13) + 20
        if left > MARGIN and left + wide > WIDTH - MARGIN:
            left, row = float(MARGIN), row + 1
        places.append((left, float(row)))
        left += wide
    return places, row + 1 if names else 0


def _legend(name: str, number: int, left: float, top: float) -> list[str]:
    colour, dash = _colour(number)
    return [
        line([(left, top + 8), (left + 26, top + 8)], colour, 2.5, dash=dash),
        words(left + 34, top + 12, name, size=13),
    ]
