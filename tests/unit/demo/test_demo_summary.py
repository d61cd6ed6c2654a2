"""The summary and the exit code that follows from it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from p2preg.demo.claims import Claim
from p2preg.demo.run import Demo, DemoOptions
from p2preg.demo.summary import holds, print_summary, verdict

GOOD = Claim("one seed makes a network", True, "3 of 3 hear all 2 others")
BAD = Claim("liars do not move the score", False, "expected ≤ 10 points; saw 25.0 points")


def printed(claims: list[Claim]) -> str:
    console = Console(file=io.StringIO(), width=160)
    with console.capture() as capture:
        print_summary(console, claims, 27.0)
    return capture.get()


def test_each_claim_is_a_line_with_its_verdict_and_figures() -> None:
    assert printed([GOOD, BAD]).splitlines()[1:] == [
        "What was proven",
        "✓  one seed makes a network     3 of 3 hear all 2 others             ",
        "✗  liars do not move the score  expected ≤ 10 points; saw 25.0 points",
        "1 of 2 claims do not hold (27 s).",
    ]


def test_the_verdict_is_good_only_when_all_hold() -> None:
    assert verdict([GOOD, GOOD], 27.0) == "All 2 claims hold (27 s)."
    assert verdict([], 3.0) == "Nothing was proven in 3 s."
    assert [holds([GOOD]), holds([GOOD, BAD]), holds([])] == [True, False, False]


@pytest.mark.parametrize(
    ("claims", "told", "signal", "code"),
    [
        ([GOOD], True, None, 0),
        ([GOOD, BAD], True, None, 1),
        ([], True, None, 1),
        ([], False, 2, 130),
        ([], False, 15, 143),
        ([GOOD], True, 2, 0),
        ([BAD], True, 2, 1),
    ],
)
async def test_the_exit_code_tells_proven_broken_and_interrupted_apart(
    tmp_path: Path, claims: list[Claim], told: bool, signal: int | None, code: int
) -> None:
    options = DemoOptions(registries=3, nodes=4, keep=False, seed=1, plain=True)
    demo = Demo(options, tmp_path, Console(file=io.StringIO()))
    demo.claims, demo.told, demo.signal = claims, told, signal
    assert demo.exit_code == code
