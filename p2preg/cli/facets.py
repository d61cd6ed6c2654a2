"""`p2preg facets`: how many nodes have each value of a field."""

from __future__ import annotations

import argparse
from typing import Any

from p2preg.base.errors import ConfigError
from p2preg.cli import exits, options
from p2preg.cli.asking import call
from p2preg.cli.output import console, plain_table, print_json, text

EXAMPLE = """
p2preg facets region codecs
p2preg facets state contact kind=sfu --include all
"""


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "facets", "how many nodes have each value of a field", EXAMPLE)
    parser.add_argument(
        "words", metavar="FIELD… [FILTER]", nargs="+", help=f"field names, then a filter: {options.FILTER_HELP}"
    )
    options.add_include(parser)
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    fields, terms = split_words(arguments.words)
    if not fields:
        raise ConfigError("the name of at least one field is needed, such as region")
    params = {"by": fields, "filter": options.read_filter(terms), "include": arguments.include}
    result = call(arguments, "nodes.facets", params)
    if arguments.json:
        print_json(result)
        return exits.OK
    out = console()
    for field, counts in result["facets"].items():
        table = plain_table("", field)
        table.columns[0].justify = "right"
        for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            table.add_row(str(count), text(value))
        out.print(table)
        out.print()
    out.print(f"{result['total']} nodes", style="dim")
    return exits.OK


def split_words(words: list[str]) -> tuple[list[str], list[str]]:
    """Field names, and the terms of a filter: those are the words with an operator, or the JSON tree."""
    terms = [word for word in words if word.lstrip().startswith("{") or any(sign in word for sign in "=<>!")]
    return [word for word in words if word not in terms], terms
