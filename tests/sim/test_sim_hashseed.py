"""One seed, one run, through the command line: whatever order the process gives to hashed bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
WORDS = ["-m", "p2preg", "sim", "quiet", "--nodes", "8", "--seed", "3", "--json"]


def outcome(hash_seed: str) -> dict[str, Any]:
    env = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, *WORDS], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_same_seed_gives_the_same_trace_and_figures_under_three_hash_seeds() -> None:
    first, *others = [outcome(hash_seed) for hash_seed in ("0", "1", "12345")]
    assert len(first["trace_hash"]) == 32
    for other in others:
        assert [other[name] for name in ("trace_hash", "events", "figures")] == [
            first[name] for name in ("trace_hash", "events", "figures")
        ]
