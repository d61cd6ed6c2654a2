"""One change, and everybody who watches."""

from __future__ import annotations

import time

from scripts.benchmarks import machine
from scripts.benchmarks.client import Client, request, wait_any
from scripts.benchmarks.media_nodes import descriptions, keys
from scripts.benchmarks.network import register
from scripts.benchmarks.registries import registries
from scripts.benchmarks.scale import Scale
from scripts.benchmarks.table import Table, percentile

CHANGES = 20


def run(scale: Scale) -> Table:
    table = Table("fanout", f"One change to {scale.subscribers} subscribers, each with its own connection")
    with registries(1) as [registry]:
        [key] = keys(1)
        home = Client(registry.rpc).greet()
        home.authenticate([key])
        register(home, [key], descriptions(1))
        watchers = [Client(registry.rpc) for _ in range(scale.subscribers)]
        for watcher in watchers:
            watcher.call("nodes.subscribe", include="all", max_rate_ms=0)
        _events(watchers, 2)  # enter and synced
        cpu = machine.cpu_seconds([registry.pid])
        last = []
        for number in range(CHANGES):
            began = time.perf_counter()
            if number % 2:
                home.send([request(number, "node.resume", {"node_id": key.id})])
            else:
                home.send([request(number, "node.drain", {"node_id": key.id, "level": "cordoned"})])
            last.append(1000 * (_events(watchers, 1) - began))
            home.receive()
        used = (machine.cpu_seconds([registry.pid]) - cpu) / CHANGES
        table.add("change sent -> last subscriber has it, p50 ms", percentile(last, 0.5))
        table.add("- greatest, ms", max(last))
        table.add(
            "CPU of the registry per event delivered, us",
            1e6 * used / scale.subscribers,
            "",
            "py-libp2p 11 300; js-libp2p 1 360",
        )
        for client in (home, *watchers):
            client.close()
    return table


def _events(watchers: list[Client], each: int) -> float:
    """Read until every watcher got so many more events; when the last one came."""
    waiting = dict.fromkeys(watchers, 0)
    at = 0.0
    while waiting:
        ready = wait_any(list(waiting), 30.0)
        if not ready:
            raise TimeoutError(f"{len(waiting)} subscribers heard nothing for 30 s")
        for watcher in ready:
            watcher.receive()
            while watcher.notifications:
                at, params = watcher.notifications.popleft()
                waiting[watcher] += len(params["events"])
            if waiting[watcher] >= each:
                del waiting[watcher]
    return at
