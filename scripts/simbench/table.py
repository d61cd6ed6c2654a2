"""All experiments as one Markdown table: the extremes and the median over the seeds, beside the bars."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable, Mapping, Sequence

from scripts.benchmarks.table import number
from scripts.simbench.rows import Bar, Experiment, Measure
from scripts.simbench.runs import Job, Result, jobs_of

HEAD = ("measure", "conditions", "bar", "minimum", "median", "maximum", "met?")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq,
}  # fmt: skip
SIGNS = {"<=": "≤", ">=": "≥", "==": "="}


def render(experiments: Sequence[Experiment], results: Mapping[Job, Result], seeds: int | None = None) -> str:
    """The table, and beneath it the seeds that broke a promise, with the commands that replay them."""
    lines = [HEAD, *(row for each in experiments for row in _rows(each, results, seeds))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    failures = [
        f"- `p2preg {' '.join(result.job.words())}`: {result.failure}" for result in results.values() if result.failure
    ]
    return "\n".join([*text, "", *(["Runs that broke a promise:", "", *failures, ""] if failures else [])])


def _rows(experiment: Experiment, results: Mapping[Job, Result], seeds: int | None) -> list[tuple[str, ...]]:
    ran = [results[job] for job in jobs_of(experiment, seeds) if job in results]
    good = [result for result in ran if not result.failure]
    conditions = f"{experiment.conditions}; {len(good)} seed{'s' * (len(good) != 1)}"
    if len(good) < len(ran):
        conditions += f", {len(ran) - len(good)} BROKE"
    return [
        _row(measure, conditions if n == 0 else "- same", good, len(ran))
        for n, measure in enumerate(experiment.measures)
    ]


def _row(measure: Measure, conditions: str, good: Sequence[Result], ran: int) -> tuple[str, ...]:
    values = [result.figures[measure.figure] for result in good]
    spread = (min(values), statistics.median(values), max(values)) if values else ()
    shown = [shown_figure(value) for value in spread] or ["-"] * 3
    return (measure.measure, conditions, bar_text(measure.bar), *shown, verdict(measure.bar, values, ran))


def shown_figure(value: float) -> str:
    """Three digits; more where a share is nearly 1, since what lacks of it is what matters."""
    return f"{value:.5f}".rstrip("0") if 0.99 < value < 1 else number(value)


def bar_text(bar: Bar | None) -> str:
    return "" if bar is None else f"{SIGNS.get(bar[0], bar[0])} {number(bar[1])}"


def verdict(bar: Bar | None, values: Sequence[float], ran: int) -> str:
    """Whether every seed that ran meets the bar; one that broke does not."""
    if bar is None or not ran:
        return ""
    met = sum(COMPARE[bar[0]](value, bar[1]) for value in values)
    return "yes" if met == ran else f"no: {met} of {ran}"
