"""`p2preg demo`: a whole network on this machine, and what it proves."""

from __future__ import annotations

import argparse
from typing import Any

import trio

from p2preg.base.errors import ConfigError
from p2preg.demo.run import DemoOptions, run_demo

REGISTRIES_MIN, REGISTRIES_MAX = 3, 20
NODES_MAX = 500
NODES_MORE = 2  # than registries: one at each, and some more to drain and to crash

EXAMPLE = """\
examples:
  five registries and fifty media nodes, in half a minute:
    p2preg demo
  a smaller one, for a log:
    p2preg demo --registries 3 --nodes 8 --plain
  leave it running, and look at it from another terminal with the address that it shows:
    p2preg demo --keep

Exit codes: 0 when every claim of the summary holds, 1 when one does not, 130 after Ctrl-C.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="run a whole network on this machine for half a minute",
        description="Start several registry processes, register media nodes at them, let an orchestrator find and "
        "watch them, crash some, kill a registry, and say what was proven. Everything is on loopback and in a "
        "temporary directory, and is gone afterwards.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--registries", metavar="N", type=_between(REGISTRIES_MIN, REGISTRIES_MAX), default=5, help="default 5")
    nodes_min = REGISTRIES_MIN + NODES_MORE
    add("--nodes", metavar="N", type=_between(nodes_min, NODES_MAX), default=50, help="media nodes; default 50")
    add("--keep", action="store_true", help="stay until Ctrl-C when the story is told")
    add("--seed", metavar="S", type=int, default=1, help="of the fleet's attributes and loads; default 1")
    add("--plain", action="store_true", help="lines instead of the live display")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tell the story; the exit code."""
    if arguments.nodes < arguments.registries + NODES_MORE:
        needed = arguments.registries + NODES_MORE
        raise ConfigError(f"--nodes: at least {needed} for {arguments.registries} registries, got {arguments.nodes}")
    options = DemoOptions(
        registries=arguments.registries,
        nodes=arguments.nodes,
        keep=arguments.keep,
        seed=arguments.seed,
        plain=arguments.plain,
    )
    return trio.run(run_demo, options)


def _between(low: int, high: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"from {low} to {high} was expected, got {value}")
        return value

    return number
