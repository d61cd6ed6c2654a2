"""`p2preg explain`: why a node is, or is not, selected."""

from __future__ import annotations

import argparse
from typing import Any

from p2preg.cli import exits, options
from p2preg.cli.asking import ask, full_id, given
from p2preg.cli.output import console, facts_table, flat, plain_table, print_json, text
from p2preg.client import Connection

EXAMPLE = "p2preg explain 6ad2a1f04c6e region=eu-west 'load<0.7'"


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "explain", "why a node is, or is not, selected by a filter", EXAMPLE)
    parser.add_argument("id", metavar="ID", help="the node's id, or its first digits when they are unique")
    options.add_filter(parser)
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    tree = options.read_filter(arguments.filter)

    async def question(connection: Connection) -> Any:
        node_id = await full_id(connection, arguments.id)
        return await connection.call("node.explain", given({"node_id": node_id, "filter": tree}))

    result = ask(arguments, question)
    if arguments.json:
        print_json(result)
        return exits.OK
    out = console()
    facts = {name: result.get(name) for name in ("node_id", "state", "contact")}
    facts["allocatable"] = "yes" if result["allocatable"] else "no"
    for position, reason in enumerate(result["reasons"]):
        facts["because" if position == 0 else f"and {position}"] = reason
    out.print(facts_table(facts))
    table = plain_table("", "predicate", "wanted", "has")
    for check in result["checks"]:
        mark = text("✓", "green") if check["passed"] else text("✗", "red")
        table.add_row(mark, text(check["predicate"]), text(check["wanted"]), text(check["value"]))
    out.print()
    out.print(table)
    out.print()
    out.print(facts_table(flat(result["seen_by"])))
    return exits.OK
