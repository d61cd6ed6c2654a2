"""What a simulated experiment is, so that the command line, the tests and `scripts/bench-sim` run the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Figures = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Picture:
    """`name` becomes a part of the file's name; `svg` is the whole document."""

    name: str
    svg: str


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that a run depends on: the same `nodes` and `seed` give the same outcome, to the trace hash.
    `progress(done, note)`: told now and then which share is done, 0 to 1, and what is going on."""

    nodes: int
    seed: int
    progress: Callable[[float, str], None] = lambda done, note: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`figures`: what was measured, by name; the unit is the end of the name (`p99_ms`, `redundancy`).
    `trace_hash`: of every event of the run. `events`: how many the cores handled."""

    figures: Figures
    trace_hash: str
    events: int
    pictures: tuple[Picture, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Scenario:
    """`nodes`: what `run` is meant for; fewer than `nodes_min` it refuses. `run` raises `AssertionError` when the
    network broke a promise; `summary` is one line."""

    name: str
    summary: str
    run: Callable[[Setting], Outcome]
    nodes: int
    nodes_min: int = 3
