"""`p2preg list`: the nodes that match, once or as a table that follows every change."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import trio
from rich.console import Group
from rich.live import Live
from rich.text import Text

from p2preg.cli import exits, options, watching
from p2preg.cli.asking import call
from p2preg.cli.nodes import Node, freshness_line, nodes_table
from p2preg.cli.output import console, print_json
from p2preg.client import Watcher

EXAMPLE = """
p2preg list region=eu-west codecs=video/AV1 'load<0.7' --sort load
p2preg list kind=sfu --include all --watch
"""
REDRAW_SECONDS = 0.2
ROWS_AROUND = 4  # lines of the terminal that the table of `--watch` leaves free


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "list", "media nodes that match a filter", EXAMPLE)
    options.add_filter(parser)
    options.add_include(parser)
    parser.add_argument(
        "--sort", metavar="FIELD[:desc]", action="append", help="by this field; up to three, the first counts most"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many (default 100, at most 1000)")
    parser.add_argument("--fields", metavar="NAMES", help="only these, separated by commas (with --json)")
    parser.add_argument("--watch", action="store_true", help="keep the list current until Ctrl-C")
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.watch:
        return _watch(arguments)
    params = {
        "filter": options.read_filter(arguments.filter),
        "include": arguments.include,
        "sort": options.read_sort(arguments.sort) or None,
        "limit": arguments.limit,
        "fields": options.read_fields(arguments.fields),
    }
    result = call(arguments, "nodes.list", params)
    if arguments.json:
        print_json(result)
        return exits.OK
    out = console()
    if result["nodes"]:
        out.print(nodes_table(result["nodes"], out.width))
    out.print(f"{len(result['nodes'])} of {result['total']} nodes; {freshness_line(result['freshness'])}", style="dim")
    return exits.OK


def _watch(arguments: argparse.Namespace) -> int:
    if arguments.json or not console().is_terminal:
        return watching.run(arguments)
    call(arguments, "rpc.ping", {})  # as for `watch`
    trio.run(partial(_follow, arguments), restrict_keyboard_interrupt_to_checkpoints=True)
    return exits.OK


async def _follow(arguments: argparse.Namespace) -> None:
    sort = options.read_sort(arguments.sort)
    watcher = watching.open_watcher(arguments)
    out = console()
    async with watcher:
        with Live(console=out, auto_refresh=False, screen=True) as live:
            while True:
                rows = arguments.limit or max(1, out.height - ROWS_AROUND)
                nodes = sorted_nodes(list(watcher.nodes.values()), sort)
                live.update(
                    Group(nodes_table(nodes[:rows], out.width), Text(), Text(_status(watcher), style="dim")),
                    refresh=True,
                )
                await trio.sleep(REDRAW_SECONDS)


def _status(watcher: Watcher) -> str:
    if watcher.url is None:
        return f"{len(watcher.nodes)} nodes as last seen; no registry can be reached, trying"
    return f"{len(watcher.nodes)} nodes; {'current' if watcher.synced else 'not synced'}; by {watcher.url}"


def sorted_nodes(nodes: Sequence[Node], sort: Sequence[Sequence[str]]) -> list[Node]:
    """As the registry sorts: by up to three fields, what misses one last, ties by id."""
    found = sorted(nodes, key=lambda node: str(node["node_id"]))
    for field, direction in reversed(sort):
        having = [(value, node) for node in found if (value := _value(node, field)) is not None]
        having.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=direction == "desc")
        found = [node for _, node in having] + [node for node in found if _value(node, field) is None]
    return found


def _value(node: Node, field: str) -> int | float | str | None:
    value: Any = node
    for part in ("load.load" if field == "load" else field).split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, int | float | str) else None
