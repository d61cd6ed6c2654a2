"""`p2preg demo` as a person runs it, at its smallest: the whole story, and an end in the middle of it. About 30 s."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
STORY_SECONDS = 150.0  # twenty on an idle machine
END_SECONDS = 3.0  # for a Ctrl-C
COMMAND = [sys.executable, "-m", "p2preg", "demo", "--registries", "3", "--nodes", "8", "--plain"]


def start(directory: Path) -> subprocess.Popen[str]:
    """The demo, with its temporary files in `directory`."""
    environment = {**os.environ, "TMPDIR": str(directory), "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(COMMAND, cwd=ROOT, env=environment, text=True, encoding="utf-8", **both)


def left_behind(directory: Path) -> list[str]:
    """Files, and processes that were started with their data in `directory`."""
    commands = [command_of(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [*map(str, directory.iterdir()), *(command for command in commands if str(directory) in command)]


def command_of(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""  # it has just ended


def test_the_whole_story_holds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = start(tmp_path)
    said, _ = demo.communicate(timeout=STORY_SECONDS)
    assert demo.returncode == 0, said
    assert "All 16 claims hold" in said
    assert "✗" not in said
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_ends_everything_soon(tmp_path: Path, number: signal.Signals) -> None:
    demo = start(tmp_path)
    assert demo.stdout is not None
    while "acknowledged = visible" not in (line := demo.stdout.readline()):
        assert line, "it ended before the nodes had registered"
    began = time.monotonic()
    demo.send_signal(number)
    said, _ = demo.communicate(timeout=STORY_SECONDS)
    assert time.monotonic() - began < END_SECONDS
    assert demo.returncode == 128 + number
    assert "Interrupted" in said
    assert left_behind(tmp_path) == []
