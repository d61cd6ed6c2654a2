"""What a topic measured, as a table that people read."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One measure. `values`: one figure a repeat, in the unit that `measure` names. `bar`: what it is to reach.
    `beside`: what is known of others, or the limit measured in the same run."""

    measure: str
    values: Sequence[float]
    bar: str = ""
    beside: str = ""


@dataclass(slots=True)
class Table:
    """The rows of one topic. `others`: the share of the machine that processes of others took meanwhile, 0 to 1."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: float = 0.0

    def add(self, measure: str, values: Sequence[float] | float, bar: str = "", beside: str = "") -> None:
        listed = [float(values)] if isinstance(values, (int, float)) else list(values)
        self.rows.append(Row(measure, listed, bar, beside))


def number(value: float) -> str:
    """Three significant digits, thousands apart: 12 300, 4.56, 0.0789."""
    if value >= 1_000:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}".replace(",", " ")
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """The median, and the extremes when there is more than one figure."""
    if not values:
        return "-"
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} [{number(min(values))}..{number(max(values))}]"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie: the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def render(table: Table) -> str:
    """The table in Markdown, padded so that it reads well as plain text too."""
    head = ("measure", "p2preg", "bar", "peers and limits")
    cells = [head, *((row.measure, spread(row.values), row.bar, row.beside) for row in table.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [_line(line, widths) for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    said = [f"### {table.title}", "", *lines, ""]
    said += [f"- {note}" for note in (*table.notes, f"others' share of the machine meanwhile: {table.others:.0%}")]
    return "\n".join([*said, "", f"`scripts/bench {table.name}`", ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + " |"
