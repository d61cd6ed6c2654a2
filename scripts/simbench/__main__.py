"""`scripts/bench-sim`: run the seeds that are not kept yet, print the table."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from scripts.benchmarks import machine
from scripts.simbench.rows import EXPERIMENTS
from scripts.simbench.runs import Kept, Result, code_hash, jobs_of, run_all
from scripts.simbench.table import render


def main() -> int:
    given = _arguments()
    names = [each.scenario for each in EXPERIMENTS]
    if given.list:
        print("\n".join(dict.fromkeys(names)))
        return 0
    experiments = [each for each in EXPERIMENTS if not given.only or each.scenario in given.only]
    kept = Kept(given.keep, code_hash())
    jobs = [job for each in experiments for job in jobs_of(each, given.seeds)]
    left = [job for job in jobs if job not in kept.results]
    watch = machine.OthersWatch()
    for number, result in enumerate(run_all(left, given.jobs), start=1):
        kept.add(result)
        _tell(result, number, len(left))
    page = "\n".join([
        render(experiments, {job: kept.results[job] for job in jobs}, given.seeds),
        f"`{shlex.join(['scripts/bench-sim', *sys.argv[1:]])}` on {machine.describe()}; others' share of the machine "
        f"meanwhile: {watch.share():.0%}.",
        "",
    ])  # fmt: skip
    print(page)
    if given.out is not None:
        given.out.write_text(page, encoding="utf-8")
    return 1 if any(kept.results[job].failure for job in jobs) else 0


def _tell(result: Result, number: int, count: int) -> None:
    end = f"BROKE: {result.failure}" if result.failure else f"{result.figures['seconds']:.1f} s"
    print(f"{number} of {count}: {result.job.scenario}, seed {result.job.seed}: {end}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-sim", description="Every scenario of `p2preg sim` over many seeds, against its bars."
    )
    names = list(dict.fromkeys(each.scenario for each in EXPERIMENTS))
    parser.add_argument("--only", metavar="NAME", action="append", choices=names, help=f"of {', '.join(names)}")
    parser.add_argument("--seeds", metavar="N", type=int, help="seeds 1 to N; default: as many as the row asks for")
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="processes at a time; default 2")
    parser.add_argument("--keep", metavar="FILE", type=Path, help="where finished seeds are kept, to go on from there")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the table there, too")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    given = parser.parse_args()
    for name in ("seeds", "jobs"):
        value = getattr(given, name)
        if value is not None and value < 1:
            parser.error(f"--{name}: at least 1 was expected, got {value}")
    return given


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
