"""One run of a scenario by `p2preg sim`: its progress, its failure or its figures, its pictures."""

from __future__ import annotations

import gc
import math
import shlex
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from p2preg.base.errors import ConfigError
from p2preg.cli import exits
from p2preg.cli.output import console, facts_table, harmless, print_json
from p2preg.cli.progress import Progress
from p2preg.sim.scenario import Figures, Outcome, Picture, Scenario, Setting

UNITS = (("_per_s", " /s"), ("_ms", " ms"), ("_s", " s"))  # ends of a figure's name


class Simulation:
    """One run of a scenario, and what is said of it. `directory`: where the pictures go, if anywhere."""

    def __init__(self, scenario: Scenario, nodes: int, seed: int, as_json: bool, directory: Path | None) -> None:
        self.scenario = scenario
        self.nodes = nodes
        self.seed = seed
        self.as_json = as_json
        self.directory = directory
        self.replay = shlex.join(["p2preg", "sim", scenario.name, "--nodes", str(nodes), "--seed", str(seed)])
        self.finished = False

    def carry_out(self) -> int:
        began = time.perf_counter()
        try:
            with Progress(sys.stderr) as progress, _no_garbage_collection():
                outcome = self.scenario.run(Setting(self.nodes, self.seed, progress.tell))
            self.finished = True
        except AssertionError as broken:
            return self._tell_failure(broken, time.perf_counter() - began)
        except KeyboardInterrupt:
            self.finished = True
            raise
        finally:
            if not self.finished:  # whatever ended it, a bug among them
                print(f"replay it with: {self.replay}", file=sys.stderr)
        self._tell(outcome, time.perf_counter() - began)
        return exits.OK

    # --- a failure ------------------------------------------------------------------------------------------

    def _tell_failure(self, broken: AssertionError, seconds: float) -> int:
        failure = what_broke(broken)
        print(f"p2preg: {self.scenario.name} broke a promise: {harmless(failure)}", file=sys.stderr)
        if self.as_json:
            print_json(self._identity() | {"seconds": round(seconds, 3), "failure": failure, "replay": self.replay})
        return exits.BROKEN

    # --- what was measured ----------------------------------------------------------------------------------

    def _identity(self) -> dict[str, Any]:
        return {"scenario": self.scenario.name, "nodes": self.nodes, "seed": self.seed}

    def _tell(self, outcome: Outcome, seconds: float) -> None:
        saved = {} if self.directory is None else {each.name: self._save(each) for each in outcome.pictures}
        if not self.as_json:
            self._tell_person(outcome, seconds, saved)
            return
        result = self._identity() | {
            "trace_hash": outcome.trace_hash,
            "events": outcome.events,
            "seconds": round(seconds, 3),
            "figures": {name: _finite(value) for name, value in outcome.figures.items()},
        }
        print_json(result | ({"pictures": list(saved.values())} if self.directory is not None else {}))

    def _tell_person(self, outcome: Outcome, seconds: float, saved: dict[str, str]) -> None:
        facts = self._identity() | figure_facts(outcome.figures)
        facts["events"] = f"{outcome.events:,} in {seconds:.1f} s, {outcome.events / max(seconds, 1e-9):,.0f} a second"
        facts["trace hash"] = outcome.trace_hash
        facts |= {f"picture: {name}": path for name, path in saved.items()}
        console().print(facts_table(facts))

    def _save(self, picture: Picture) -> str:
        assert self.directory is not None
        path = self.directory / f"{self.scenario.name}-{self.nodes}-{self.seed}-{picture.name}.svg"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            path.write_text(picture.svg, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--pictures {self.directory}: {error}") from None
        return str(path)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A simulated network makes next to no cycles, and to look for them in millions of objects takes a quarter of the
    time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def what_broke(broken: AssertionError) -> str:
    """The assertion's own words, or its text, and where it stands."""
    frames = traceback.extract_tb(broken.__traceback__)
    if not frames:
        return str(broken) or "an assertion"
    last = frames[-1]
    return f"{str(broken) or last.line or 'an assertion'} ({Path(last.filename).name}:{last.lineno}, {last.name})"


def figure_facts(figures: Figures) -> dict[str, str]:
    """`delivery_p99_ms: 1234.5` as `delivery p99: 1,234.5 ms`."""
    facts = {}
    for name, value in figures.items():
        end, unit = next(((end, unit) for end, unit in UNITS if name.endswith(end)), ("", ""))
        shown = value if isinstance(value, str) else f"{value:,}"
        facts[name.removesuffix(end).replace("_", " ")] = f"{shown}{unit}"
    return facts


def _finite(value: float | int | str) -> float | int | str | None:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
