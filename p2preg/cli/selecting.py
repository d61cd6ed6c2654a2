"""`p2preg select`: nodes to place work on."""

from __future__ import annotations

import argparse
from typing import Any

from p2preg.base.errors import ConfigError
from p2preg.cli import exits, options
from p2preg.cli.asking import ask, full_ids, given
from p2preg.cli.nodes import nodes_table
from p2preg.cli.output import console, plain_table, print_json, text
from p2preg.client import Connection

EXAMPLE = """
p2preg select codecs=video/AV1 region=eu-west --count 3 --policy nearest --near=52.37,4.90 --relax region
p2preg select kind=sfu --policy least_loaded --json
"""
POLICIES = ("random", "least_loaded", "two_choices", "nearest", "best_quality")


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "select", "nodes to place work on, with the reasons", EXAMPLE)
    options.add_filter(parser)
    add = parser.add_argument
    add("--count", type=int, metavar="N", help="how many (default 1, at most 100)")
    add("--policy", choices=POLICIES, help="how to choose among those that match (default two_choices)")
    add("--near", metavar="LAT,LON", help="degrees, for nearest; write --near=-33.9,151.2 with the equals sign")
    add("--spread-by", choices=("operator", "region", "asn"), help="as different as possible in this")
    add("--relax", metavar="FIELD", action="append", help="may be given up if too few match; the first goes first")
    add("--exclude", metavar="ID", action="append", default=[], help="not this one")
    add("--seed", metavar="TEXT", help="the same seed on the same data gives the same answer")
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    params = {
        "filter": options.read_filter(arguments.filter),
        "count": arguments.count,
        "policy": arguments.policy,
        "near": read_place(arguments.near),
        "spread_by": arguments.spread_by,
        "relax": arguments.relax,
        "seed": arguments.seed,
    }

    async def question(connection: Connection) -> Any:
        exclude = await full_ids(connection, arguments.exclude)
        return await connection.call("nodes.select", given({**params, "exclude": exclude or None}))

    result = ask(arguments, question)
    if arguments.json:
        print_json(result)
    else:
        _print(result)
    return exits.OK if result["candidates"] else exits.REFUSED


def read_place(place: str | None) -> dict[str, float] | None:
    """LAT,LON in degrees."""
    if place is None:
        return None
    try:
        latitude, longitude = (float(part) for part in place.split(","))
    except ValueError:
        raise ConfigError(f"--near: latitude and longitude as 52.37,4.90 were expected, got {place!r}") from None
    return {"latitude": latitude, "longitude": longitude}


def _print(result: dict[str, Any]) -> None:
    out = console()
    if result["candidates"]:
        table = nodes_table([candidate["node"] for candidate in result["candidates"]], out.width)
        out.print(table)
        for candidate in result["candidates"]:
            out.print(text(f"{candidate['node']['node_id'][:12]}: {'; '.join(candidate['reasons'])}", "dim"))
    else:
        out.print("no allocatable node matches")
    if result["relaxed"]:
        out.print(text(f"given up: {', '.join(result['relaxed'])}", "yellow"))
    if result["reasons"]:
        table = plain_table("predicate", "excluded")
        for reason in result["reasons"]:
            table.add_row(text(reason["predicate"]), text(reason["excluded"]))
        out.print()
        out.print(table)
