"""What an Orchestrator asks: one node by its id, a page by attributes."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from scripts.benchmarks import baselines, peers
from scripts.benchmarks.client import Client, request
from scripts.benchmarks.media_nodes import descriptions, keys
from scripts.benchmarks.network import fill
from scripts.benchmarks.registries import registries
from scripts.benchmarks.scale import Scale
from scripts.benchmarks.table import Table, percentile

BY_REGION_AND_CODEC = {"and": [{"eq": ["region", "eu-west"]}, {"has": ["codecs", "video/AV1"]}]}
THREE_AND_RANGE = {
    "and": [
        {"eq": ["kind", "sfu"]},
        {"in": ["region", ["eu-west", "eu-central"]]},
        {"has": ["codecs", "video/AV1"]},
        {"ge": ["capacity.max_participants", 500]},
    ]
}
SEED = 7


def run(scale: Scale) -> Table:
    table = Table("reads", f"Reads at one registry that holds {scale.nodes:,} nodes")
    one: list[float] = []
    many: list[float] = []
    with registries(1) as [registry]:
        guests = fill(registry, scale.nodes, SEED)
        client = Client(registry.rpc)
        ids = [key.id for key in keys(scale.nodes, SEED)]
        rng = Random(3)
        gets = [request(0, "nodes.get", {"node_ids": [rng.choice(ids)]}) for _ in range(scale.calls)]
        for _ in range(scale.repeats):
            one.append(_rate(client, gets[: scale.lock_step], 1))
            many.append(_rate(client, gets, 64))
        table.add("get/s, one at a time", one, "", peers.GET_1)
        table.add("get/s, 64 in flight", many, "≥ 5 000", peers.GET_64)
        _query(table, client, scale, "first 250 by region, codec", BY_REGION_AND_CODEC, 250, ("≤ 2.5", "≤ 6"))
        _query(table, client, scale, "first 100 by 3 predicates, a range", THREE_AND_RANGE, 100, ("≤ 3", ""))
        ids_only = _query(
            table, client, scale, "the same, ids only", THREE_AND_RANGE, 100, ("", ""), fields=["node_id"]
        )
        table.notes.append(f"the third query matches {ids_only} nodes")
        guests.close()
    table.add("- a naive scan of the same dictionaries, p50 ms", _scan(scale), "", "in this run")
    for in_flight in (1, 64):
        table.add(
            f"limit: plain Trio TCP echo of 400 bytes/s, {in_flight} in flight", baselines.echoes_per_second(in_flight)
        )
    return table


def _rate(client: Client, calls: list[bytes], in_flight: int) -> float:
    began = time.perf_counter()
    client.pipeline(calls, in_flight)
    return len(calls) / (time.perf_counter() - began)


def _query(
    table: Table, client: Client, scale: Scale, name: str, query: Any, limit: int, bars: tuple[str, str], **more: Any
) -> int:
    """Two rows: p50 and p99 of so many lists, from sending to having read. How many nodes match."""
    took = []
    total = 0
    for _ in range(scale.samples):
        began = time.perf_counter()
        total = client.call("nodes.list", filter=query, limit=limit, **more)["total"]
        took.append(1000 * (time.perf_counter() - began))
    table.add(f"list, {name}: p50 ms", percentile(took, 0.5), bars[0], peers.QUERY if not more else "")
    table.add(f"list, {name}: p99 ms", percentile(took, 0.99), bars[1])
    return total


def _scan(scale: Scale) -> float:
    """The third query by a loop over all records, without encoding the answer."""
    records = descriptions(scale.nodes, SEED)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        [
            record
            for record in records
            if record["kind"] == "sfu"
            and record["region"] in ("eu-west", "eu-central")
            and "video/AV1" in record["codecs"]
            and record["capacity"]["max_participants"] >= 500
        ][:100]
        took.append(1000 * (time.perf_counter() - began))
    return percentile(took, 0.5)
