"""`p2preg watch`: every change of the nodes that match, line by line."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

import trio

from p2preg.cli import exits, options
from p2preg.cli.asking import call
from p2preg.cli.nodes import SHORT, node_line
from p2preg.cli.output import print_json
from p2preg.client import Watcher, WatchEvent

EXAMPLE = """
p2preg watch region=eu-west --include live
p2preg watch --json --fields state,contact,load | jq .type
"""
DESCRIPTION = (
    "Every change of the nodes that match: enter, update, leave; synced when the list is complete, stale when the "
    "registry was lost (the next one is tried by itself). Begins with an enter for each node."
)


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "watch", "every change, line by line", EXAMPLE, DESCRIPTION)
    options.add_filter(parser)
    options.add_include(parser)
    parser.add_argument(
        "--fields", metavar="NAMES", help="only these, separated by commas; changes of load and qos are told when named"
    )
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    call(arguments, "rpc.ping", {})  # once it runs it tries for ever; a wrong URL should be told
    trio.run(partial(_watch, arguments), restrict_keyboard_interrupt_to_checkpoints=True)
    return exits.OK


def open_watcher(arguments: argparse.Namespace) -> Watcher:
    """The watcher that the options ask for."""
    return Watcher(
        options.registries(arguments),
        filter=options.read_filter(arguments.filter),
        include=arguments.include,
        fields=options.read_fields(arguments.fields),
        tls=options.tls(arguments),
    )


async def _watch(arguments: argparse.Namespace) -> None:
    tell = _tell_machine if arguments.json else _tell_person
    async with open_watcher(arguments) as watcher:
        async for event in watcher.events():
            tell(event, watcher)


def _tell_machine(event: WatchEvent, watcher: Watcher) -> None:
    line: dict[str, Any] = {"time_ms": time.time_ns() // 1_000_000, "type": event.type}
    if event.node_id is not None:
        line |= {"node_id": event.node_id, "node": event.node}
    else:
        line |= {"count": len(watcher.nodes), "rpc": watcher.url}
    print_json(line)


def _tell_person(event: WatchEvent, watcher: Watcher) -> None:
    clock = time.strftime("%H:%M:%S")
    if event.node_id is not None:
        said = f"{event.node_id[:SHORT]} {node_line(event.node or {})}"
    elif event.type == "synced":
        said = f"{len(watcher.nodes)} nodes, by {watcher.url}"
    else:
        said = "connection lost, trying the next registry" if watcher.url is None else f"{watcher.url} is catching up"
    print(f"{clock} {event.type:<6} {said}", flush=True)
