"""`p2preg info` and `p2preg peers`: the state of a registry, and the registries that it knows."""

from __future__ import annotations

import argparse
from typing import Any

from p2preg.cli import exits, options
from p2preg.cli.asking import call
from p2preg.cli.output import console, duration, facts_table, flat, plain_table, print_json, text


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(
        subparsers, "info", "the state of a registry", "p2preg info --rpc ws://127.0.0.1:7480/"
    )
    parser.add_argument("--verbose", action="store_true", help="also the counters of every part")
    options.add_registries(parser)
    parser.set_defaults(run=run_info)
    parser = options.add_command(subparsers, "peers", "the registries that a registry knows", "p2preg peers --json")
    options.add_registries(parser)
    parser.set_defaults(run=run_peers)


def run_info(arguments: argparse.Namespace) -> int:
    result = call(arguments, "registry.info", {})
    if arguments.json:
        print_json(result)
        return exits.OK
    nodes, peers = result["nodes"], result["peers"]
    contacts = ("live", "suspect", "unknown", "expired")
    facts = {
        "registry": result["registry_id"],
        "network": result["network"],
        "version": result["version"],
        "up for": duration(result["uptime_s"]),
        "synced": "yes" if result["synced"] else "no",
        "nodes": f"{nodes['total']}: " + ", ".join(f"{nodes[name]} {name}" for name in contacts),
        "peers": f"{peers['active']} active, {peers['passive']} passive, {peers['routing_table']} in the routing table",
        "cells": result["cells"],
        "store": f"{result['store']['bytes'] / 1_000_000:.1f} MB",
        **(flat(result.get("statistics", {})) if arguments.verbose else {}),
    }
    console().print(facts_table(facts))
    return exits.OK


def run_peers(arguments: argparse.Namespace) -> int:
    result = call(arguments, "registry.peers", {})
    if arguments.json:
        print_json(result)
        return exits.OK
    table = plain_table("registry", "role", "direction", "round trip", "last heard", "region", "endpoint", "rpc")
    for peer in result["peers"]:
        round_trip, age = peer.get("round_trip_time_s"), peer.get("heartbeat_age_s")
        table.add_row(
            text(peer["registry_id"][:12], "bold"),
            text(peer["role"], "green" if peer["role"] == "active" else ""),
            text(peer.get("direction")),
            text(None if round_trip is None else f"{round_trip * 1000:.1f} ms"),
            text(None if age is None else f"{duration(age)} ago"),
            text(peer.get("region")),
            text(peer["endpoint"]),
            text(peer["rpc"]),
        )
    out = console()
    if result["peers"]:
        out.print(table)
    out.print(f"{len(result['peers'])} registries besides this one", style="dim")
    return exits.OK
