"""The stories in scenarios/*.txt: what they say is exactly what happens. docs/simulation.md, Transcripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from sim_story import Story

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
LINES_MAX = 80
COLUMNS_MAX = 120


def retold(text: str) -> str:
    """The transcript as it should be: its comments and commands, and below each command what follows."""
    return "".join(f"{line}\n" for line in _retold(text))


def _retold(text: str) -> Iterator[str]:
    story = Story()
    for line in text.splitlines():
        if not line.startswith(" "):  # what is indented was told
            yield line
        if line.startswith("> "):
            yield from story.do(line[2:])


def check(path: Path, *, rewrite: bool) -> None:
    """Compare a transcript with what happens, or make it say what happens."""
    before = path.read_text(encoding="utf-8")
    after = retold(before)
    if rewrite:
        path.write_text(after, encoding="utf-8")
    elif before != after:
        diff = "\n".join(unified_diff(before.splitlines(), after.splitlines(), "written", "happened", lineterm=""))
        pytest.fail(f"{path.name} tells something else. If it is right: pytest --rewrite-transcripts\n{diff}", False)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_a_transcript_says_is_what_happens(path: Path, request: pytest.FixtureRequest) -> None:
    check(path, rewrite=request.config.getoption("--rewrite-transcripts"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_transcript_is_short_and_says_what_it_is_about(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) < LINES_MAX
    assert [line for line in lines if len(line) > COLUMNS_MAX] == []


def test_a_wrong_transcript_fails_with_the_difference_and_how_to_accept_it(tmp_path: Path) -> None:
    right = SCENARIOS[0].read_text(encoding="utf-8")
    [told, *_] = [line for line in right.splitlines() if line.startswith(" ")]
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(right.replace(told, " nothing of the kind"), encoding="utf-8")
    with pytest.raises(pytest.fail.Exception) as caught:
        check(wrong, rewrite=False)
    said = str(caught.value)
    assert "--rewrite-transcripts" in said
    assert "\n- nothing of the kind\n" in said
    assert f"\n+{told}\n" in said


def test_the_option_makes_a_wrong_transcript_right(tmp_path: Path) -> None:
    right = SCENARIOS[0].read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("".join(f"{line}\n" for line in right.splitlines() if line[:1] != " "), encoding="utf-8")
    check(wrong, rewrite=True)
    assert wrong.read_text(encoding="utf-8") == right


def test_a_command_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no command: 'flood the network'"):
        retold("> flood the network\n")


def test_what_the_documentation_shows_is_from_a_transcript() -> None:
    shown = re.findall(r"^ {4}( +\d+\.\d{3}  .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = [line for path in SCENARIOS for line in path.read_text(encoding="utf-8").splitlines()]
    assert shown
    assert [line for line in shown if line not in told] == [], "copy it again from the transcript"
