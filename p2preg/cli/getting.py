"""`p2preg get`: everything that is known of certain nodes."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from p2preg.cli import exits, options
from p2preg.cli.asking import ask, full_ids, given
from p2preg.cli.output import console, facts_table, flat, print_json
from p2preg.client import Connection

EXAMPLE = """
p2preg get 6ad2a1f04c6e
p2preg get 6ad2a1f04c6e 91bb --fields state,contact,endpoints --json
"""


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "get", "all that is known of certain nodes", EXAMPLE)
    parser.add_argument("ids", metavar="ID", nargs="+", help="a node's id, or its first digits when they are unique")
    parser.add_argument("--fields", metavar="NAMES", help="only these, separated by commas")
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    async def question(connection: Connection) -> Any:
        node_ids = await full_ids(connection, arguments.ids)
        params = {"node_ids": node_ids, "fields": options.read_fields(arguments.fields)}
        return await connection.call("nodes.get", given(params))

    result = ask(arguments, question)
    if arguments.json:
        print_json(result)
    else:
        out = console()
        for position, node in enumerate(result["nodes"]):
            if position:
                out.print()
            out.print(facts_table(flat(node)))
        for node_id in result["missing"]:
            print(f"p2preg get: no node {node_id} is known here", file=sys.stderr)
    return exits.REFUSED if result["missing"] else exits.OK
