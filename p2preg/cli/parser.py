"""The command line as a tree of parsers: each command's module adds its own."""

from __future__ import annotations

import argparse

from p2preg import __version__
from p2preg.cli import (
    demo,
    exits,
    explaining,
    facets,
    getting,
    info,
    keygen,
    listing,
    network,
    node,
    options,
    quality,
    registering,
    selecting,
    simulating,
    watching,
)

COMMANDS = (
    node, demo, simulating, keygen, network, info, listing, watching, getting, explaining, selecting, facets, quality,
    registering,
)  # fmt: skip
EPILOG = f"""\
{exits.table()}
`p2preg COMMAND --help` shows an example. Commands that ask a registry find it by --rpc URL, or the environment variable
{options.RPC_VARIABLE} (several URLs separated by spaces), or at {options.RPC_DEFAULT}.
"""


def build_parser() -> argparse.ArgumentParser:
    """Each command's namespace has `run(namespace) -> exit code`."""
    parser = argparse.ArgumentParser(
        prog="p2preg",
        description="A registry for media nodes that many operators run together and nobody owns.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"p2preg {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser
