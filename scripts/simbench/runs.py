"""Seeds as processes of `p2preg sim`, some at a time; what they found is kept line by line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p2preg.cli import exits
from scripts.simbench.rows import Experiment

ROOT = Path(__file__).resolve().parent.parent.parent
SHOWN_LINES = 12  # of what a process that failed said last


@dataclass(frozen=True, slots=True)
class Job:
    """One seed of one scenario. `nodes`: None for as many as it is meant for."""

    scenario: str
    nodes: int | None
    seed: int

    def words(self) -> list[str]:
        """After `p2preg`."""
        sized = [] if self.nodes is None else ["--nodes", str(self.nodes)]
        return ["sim", self.scenario, *sized, "--seed", str(self.seed)]


@dataclass(frozen=True, slots=True)
class Result:
    """`figures`: what was measured; empty when the run failed, and then `failure` says how."""

    job: Job
    figures: dict[str, float] = field(default_factory=dict)
    failure: str = ""


def jobs_of(experiment: Experiment, seeds: int | None) -> list[Job]:
    """`seeds`: how many, when others are wanted than the experiment's own."""
    return [Job(experiment.scenario, experiment.nodes, seed + 1) for seed in range(seeds or experiment.seeds)]


def run_all(jobs: Iterable[Job], at_once: int) -> Iterator[Result]:
    """As they end."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(run_one, job) for job in jobs]
        try:
            yield from (future.result() for future in as_completed(futures))
        finally:
            pool.shutdown(cancel_futures=True)


def run_one(job: Job) -> Result:
    """In a process of its own: nothing that a seed leaves in memory reaches the next."""
    command = [sys.executable, "-m", "p2preg", *job.words(), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return read_result(job, done.returncode, done.stdout, done.stderr)


def read_result(job: Job, code: int, output: str, errors: str) -> Result:
    """What the process said: its last line is the outcome."""
    if code not in (exits.OK, exits.BROKEN):
        return Result(job, failure="\n".join([f"exit code {code}", *errors.splitlines()[-SHOWN_LINES:]]))
    outcome = json.loads(output.splitlines()[-1])
    if code == exits.BROKEN:
        return Result(job, failure=outcome["failure"])
    of_run = {name: outcome[name] for name in ("events", "seconds")}
    speed = {"events_per_s": round(outcome["events"] / max(outcome["seconds"], 1e-9))}
    return Result(job, of_run | speed | outcome["figures"])


# --- what is kept -------------------------------------------------------------------------------------------


def code_hash() -> str:
    """Of all modules: figures of other code are not mixed in."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted((ROOT / "p2preg").rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


class Kept:
    """Finished seeds in a file of JSON lines. Without a file, in memory only."""

    def __init__(self, path: Path | None, code: str) -> None:
        self._path = path
        self._code = code
        self.results: dict[Job, Result] = {}
        if path is not None and path.exists():
            text = path.read_text(encoding="utf-8")
            for line in text.splitlines():
                self._take(line)
            if text and not text.endswith("\n"):
                path.write_text(f"{text}\n", encoding="utf-8")

    def _take(self, line: str) -> None:
        try:
            kept: dict[str, Any] = json.loads(line)
        except ValueError:
            return  # an interrupted run wrote half of it
        if kept["code"] == self._code:
            job = Job(kept["scenario"], kept["nodes"], kept["seed"])
            self.results[job] = Result(job, kept["figures"])

    def add(self, result: Result) -> None:
        """Failures are not kept in the file: they are to be tried again."""
        self.results[result.job] = result
        if self._path is not None and not result.failure:
            job = result.job
            line = {"code": self._code, "scenario": job.scenario, "nodes": job.nodes, "seed": job.seed}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line | {"figures": result.figures}) + "\n")
