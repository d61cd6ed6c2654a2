"""The data directory belongs to one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import p2preg
from p2preg.base.errors import ConfigError
from p2preg.storage.datadir import data_directory

ROOT = Path(p2preg.__file__).parent.parent
HOLD = """
import sys, pathlib
from p2preg.storage.datadir import data_directory
with data_directory(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with data_directory(tmp_path / "deep" / "data") as path:
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    with (
        data_directory(tmp_path),
        pytest.raises(ConfigError, match=f"in use by process {os.getpid()}$"),
        data_directory(tmp_path),
    ):
        pytest.fail("two hold one directory")
    with data_directory(tmp_path):
        pass


def test_another_process_is_named_and_its_death_frees_the_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=f"in use by process {other.pid}$"), data_directory(tmp_path):
            pytest.fail("two hold one directory")
        other.kill()
        other.wait()
    with data_directory(tmp_path):
        pass


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file"), data_directory(tmp_path / "file"):
        pytest.fail("a file is no directory")
