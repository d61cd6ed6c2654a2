"""`p2preg sim`: a simulated network in this process, on a virtual clock, and what was measured in it.

The simulator is imported when it is used: no other command has to wait for it."""

from __future__ import annotations

import argparse
import difflib
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2preg.base.errors import ConfigError
from p2preg.cli import exits, options
from p2preg.cli.output import console, plain_table, print_json, text

if TYPE_CHECKING:
    from p2preg.sim.scenario import Scenario

NODES_MAX = 20_000  # ten thousand fill about 10 GB of memory
PICTURES = Path("p2preg-sim")
NO_PICTURES = "none"

DESCRIPTION = (
    "Run a scenario: registries with the very code of real ones, on simulated machines, disks and networks, on a "
    "virtual clock. Everything is drawn from the seed: two runs with the same nodes and seed are the same, event for "
    "event."
)
EXAMPLE = f"""\
examples:
  what there is:
    p2preg sim --list
  thirty registries for half a virtual minute, with pictures in ./{PICTURES}/:
    p2preg sim quiet
  the same with fewer, from another seed; the same seed always gives the same trace hash:
    p2preg sim quiet --nodes 8 --seed 3
  for a script: progress on standard error, one JSON object on standard output:
    p2preg sim quiet --seed 3 --json 2>/dev/null | jq .figures

A run that breaks a promise ends with exit code {exits.BROKEN} and prints the command that replays it.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "sim",
        help="run a simulated network, and measure it",
        description=textwrap.fill(DESCRIPTION, options.HELP_WIDTH),
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", nargs="?", help="its name; --list shows all")
    add("--list", action="store_true", help="name the scenarios")
    add("--nodes", metavar="N", type=int, help="how many registries; default: what the scenario is meant for")
    add("--seed", metavar="S", type=int, default=1, help="all randomness is drawn from it; default 1")
    add("--pictures", metavar="DIR", help=f"where the pictures go (SVG); default ./{PICTURES}, and with --json "
        f"nowhere; {NO_PICTURES!r} for none")  # fmt: skip
    add("--json", action="store_true", help="JSON for machines")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the scenario, or list all; the exit code."""
    from p2preg.cli.simulation import Simulation

    if arguments.list:
        if arguments.scenario is not None:
            raise ConfigError(f"--list names all scenarios: leave out {arguments.scenario!r}, or --list")
        return _list(arguments.json)
    scenario = _find(arguments.scenario)
    nodes = scenario.nodes if arguments.nodes is None else arguments.nodes
    if not scenario.nodes_min <= nodes <= NODES_MAX:
        raise ConfigError(
            f"--nodes: {scenario.nodes_min} to {NODES_MAX} were expected for {scenario.name}, got {nodes}"
        )
    if not __debug__:
        raise ConfigError("Python runs with -O: without assertions a simulation checks nothing")
    return Simulation(scenario, nodes, arguments.seed, arguments.json, _directory(arguments)).carry_out()


def _list(as_json: bool) -> int:
    from p2preg.sim.scenarios import SCENARIOS

    if as_json:
        print_json([{"name": each.name, "summary": each.summary, "nodes": each.nodes} for each in SCENARIOS])
        return exits.OK
    table = plain_table("scenario", "nodes", "summary")
    for each in SCENARIOS:
        table.add_row(text(each.name, "bold"), text(each.nodes), text(each.summary))
    console().print(table)
    return exits.OK


def _find(name: str | None) -> Scenario:
    from p2preg.sim.scenarios import SCENARIOS, scenario_named

    if name is None:
        raise ConfigError("name a scenario, for example `p2preg sim quiet`; `p2preg sim --list` shows all")
    found = scenario_named(name)
    if found is None:
        near = difflib.get_close_matches(name, [each.name for each in SCENARIOS], cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`p2preg sim --list` shows all"
        raise ConfigError(f"there is no scenario {name!r}: {hint}")
    return found


def _directory(arguments: argparse.Namespace) -> Path | None:
    """Where pictures go; None for nowhere. Looked at before the run: what took an hour should not be lost."""
    if arguments.pictures == NO_PICTURES or (arguments.pictures is None and arguments.json):
        return None
    directory = Path(arguments.pictures or PICTURES)
    existing = next((path for path in (directory, *directory.parents) if path.exists()), directory)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ConfigError(f"--pictures {directory}: {existing} is no directory that can be written to")
    return directory
