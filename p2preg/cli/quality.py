"""`p2preg qos`: how good a node is, as measured by others."""

from __future__ import annotations

import argparse
from typing import Any

from p2preg.cli import exits, options
from p2preg.cli.asking import ask, full_id, given
from p2preg.cli.output import console, facts_table, flat, number, plain_table, print_json, text
from p2preg.client import Connection

EXAMPLE = """
p2preg qos 6ad2a1f04c6e --window 3600
p2preg qos 6ad2a1f04c6e --explain --json
"""


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "qos", "the measured quality of a node", EXAMPLE)
    parser.add_argument("id", metavar="ID", help="the node's id, or its first digits when they are unique")
    parser.add_argument("--window", type=int, metavar="SECONDS", help="of the last so many (60 to 3600, default 600)")
    parser.add_argument("--explain", action="store_true", help="every input and step of the score")
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    async def question(connection: Connection) -> Any:
        node_id = await full_id(connection, arguments.id)
        if arguments.explain:
            return await connection.call("qos.explain", {"node_id": node_id})
        return await connection.call("qos.get", given({"node_id": node_id, "window_s": arguments.window}))

    result = ask(arguments, question)
    if arguments.json:
        print_json(result)
    elif arguments.explain:
        console().print(facts_table(flat(result)))
    else:
        _print(result)
    return exits.OK


def _print(result: dict[str, Any]) -> None:
    out = console()
    known = ("score", "mos", "confidence", "reports", "reporters", "formula")
    out.print(facts_table({name: result.get(name) for name in known}))
    table = plain_table("", "p10", "p50", "p95")
    for name, scale, unit in (
        ("bitrate_bps", 1e-6, "Mbit/s"),
        ("fraction_lost", 100.0, "%"),
        ("round_trip_time_s", 1000.0, "ms"),
    ):
        spread = result.get(name) or {}
        cells = [spread.get(point) for point in ("p10", "p50", "p95")]
        table.add_row(
            text(f"{name.rpartition('_')[0] if name != 'fraction_lost' else 'loss'} ({unit})"),
            *(text(number(None if cell is None else cell * scale)) for cell in cells),
        )
    out.print()
    out.print(table)
