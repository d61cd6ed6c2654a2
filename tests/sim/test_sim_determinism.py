"""One seed, one run: within a process, and whatever order the process gives to hashed bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sim_scenes import eventful

ROOT = Path(__file__).parent.parent.parent
PROGRAM = "import sim_scenes; print(sim_scenes.eventful(7))"


def in_a_process(hash_seed: str) -> str:
    paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_same_seed_gives_the_same_trace_whatever_the_hash_seed() -> None:
    traces = [in_a_process(hash_seed) for hash_seed in ("0", "1", "4711")]
    assert traces == [eventful(7)] * 3


def test_another_seed_gives_another_trace() -> None:
    assert eventful(7) != eventful(8)
