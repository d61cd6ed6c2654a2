"""What a registry takes: empty, per node, per idle client; and how soon it is back after a crash, or joins."""

from __future__ import annotations

import time

from scripts.benchmarks import machine, peers
from scripts.benchmarks.client import Client, wait_any
from scripts.benchmarks.network import fill, live_at, wait_until
from scripts.benchmarks.registries import Registry, registries
from scripts.benchmarks.scale import Scale
from scripts.benchmarks.table import Table

SETTLE_SECONDS = 2.0


def run(scale: Scale) -> Table:
    table = Table("memory", f"Memory, clients at rest, restart and first sync with {scale.nodes:,} nodes")
    with registries(1) as [registry]:
        time.sleep(SETTLE_SECONDS)
        empty = machine.anonymous_bytes(registry.pid)
        guests = fill(registry, scale.nodes)
        time.sleep(SETTLE_SECONDS)
        filled = machine.anonymous_bytes(registry.pid)
        table.add("RSS without file pages, empty, MB", empty / 1e6, "", peers.RSS_EMPTY)
        table.add("- growth per node, kB", (filled - empty) / scale.nodes / 1e3, "≤ 2", peers.RSS_PER_NODE)
        _idle_clients(table, registry, scale)
        _first_sync(table, registry, scale)
        guests.close()
        _restart(table, registry, scale)
    return table


def _idle_clients(table: Table, registry: Registry, scale: Scale) -> None:
    """Connections that say nothing; they answer pings."""
    before = machine.anonymous_bytes(registry.pid)
    idle = [Client(registry.rpc) for _ in range(scale.idle_clients)]
    time.sleep(SETTLE_SECONDS)
    used = machine.anonymous_bytes(registry.pid) - before
    table.add(
        f"RSS per idle client ({scale.idle_clients:,}), kB", used / scale.idle_clients / 1e3, "", peers.RSS_PER_CLIENT
    )
    cpu, began = machine.cpu_seconds([registry.pid]), time.perf_counter()
    while (left := scale.idle_seconds - (time.perf_counter() - began)) > 0:
        for client in wait_any(idle, left):
            client.receive()
    share = (machine.cpu_seconds([registry.pid]) - cpu) / (time.perf_counter() - began)
    table.add("- CPU of the registry with them, % of a core", 100 * share)
    for client in idle:
        client.close()


def _first_sync(table: Table, registry: Registry, scale: Scale) -> None:
    """An empty registry joins: from its ready line until it has all and says that it is synced."""
    newcomer = Registry(registry.directory.with_name("newcomer"))
    try:
        newcomer.start([registry.peer])
        client = Client(newcomer.rpc)

        def is_there() -> bool:
            info = client.call("registry.info")
            return bool(info["synced"]) and info["nodes"]["total"] >= scale.nodes

        took = wait_until(is_there, "the newcomer has all")
        table.add("first sync of an empty registry, s", took, "", "")
        table.add("- cells/s (an advert and a lease each: 3 verifications)", 2 * scale.nodes / took, "", peers.INGEST)
        client.close()
    finally:
        newcomer.stop()


def _restart(table: Table, registry: Registry, scale: Scale) -> None:
    """kill -9, then from the start of the process until the first read."""
    took = []
    for _ in range(scale.repeats):
        registry.kill()
        began = time.perf_counter()
        registry.start()
        client = Client(registry.rpc)
        live_at(client)
        took.append(time.perf_counter() - began)
        total = client.call("registry.info")["nodes"]["total"]
        client.close()
        if total < scale.nodes:
            raise AssertionError(f"{scale.nodes} nodes were acknowledged, {total} are there after kill -9")
    table.add("kill -9 -> first read, s", took, "≤ 10 (100 000)", peers.RESTART)
