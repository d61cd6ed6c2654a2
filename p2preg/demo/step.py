"""A step of the story, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from p2preg.demo.claims import Claim
from p2preg.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Outcome:
    """`figure`: a few characters for the display; `claims`: for the summary."""

    figure: str
    claims: tuple[Claim, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Step:
    """`title`: at most 30 characters. `fatal`: without it the others make no sense."""

    title: str
    play: Callable[[Stage], Awaitable[Outcome]]
    fatal: bool = False
