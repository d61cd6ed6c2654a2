"""`scripts/bench`: run the topics asked for, print each table as soon as it is there."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys

from scripts.benchmarks import machine
from scripts.benchmarks.scale import QUICK, Scale
from scripts.benchmarks.table import render
from scripts.benchmarks.topics import TOPICS


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exit ends the registries too, a signal would not
    parser = argparse.ArgumentParser(prog="scripts/bench", description="How fast p2preg is, beside other systems.")
    parser.add_argument("topics", nargs="*", metavar="NAME", help=f"of {', '.join(TOPICS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: to see that it runs")
    parser.add_argument("--repeats", type=int, metavar="N", help="of each measure, for the median and the extremes")
    parser.add_argument("--nodes", type=int, metavar="N", help="Media Nodes that are held while reads are timed")
    parser.add_argument("--list", action="store_true", help="name the topics")
    given = parser.parse_args()
    if given.list:
        print("\n".join(f"{name:<10} {(module.__doc__ or name).splitlines()[0]}" for name, module in TOPICS.items()))
        return
    unknown = [name for name in given.topics if name not in TOPICS]
    if unknown:
        parser.error(f"no topic {unknown[0]!r}; there are {', '.join(TOPICS)}")
    changes = {name: value for name in ("repeats", "nodes") if (value := getattr(given, name)) is not None}
    scale = dataclasses.replace(QUICK if given.quick else Scale(), **changes)
    print(f"Figures are medians [least..greatest]. {machine.describe()}\n", flush=True)
    for name in given.topics or TOPICS:
        watch = machine.OthersWatch()
        table = TOPICS[name].run(scale)
        table.others = watch.share()
        print(render(table), flush=True)


if __name__ == "__main__":
    main()
