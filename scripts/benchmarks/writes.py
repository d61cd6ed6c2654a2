"""What a Media Node asks of its home: registrations, renewals, loads. Acknowledged means on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence

from scripts.benchmarks import baselines, peers
from scripts.benchmarks.client import Client, batches, register_call, request
from scripts.benchmarks.media_nodes import MediaKey, descriptions, keys
from scripts.benchmarks.registries import Registry, registries
from scripts.benchmarks.scale import Scale
from scripts.benchmarks.table import Table, percentile

BATCH = 100
IN_FLIGHT = 64


def run(scale: Scale) -> Table:
    table = Table(
        "writes", "Writes at one registry alone: one socket that speaks for many nodes, durable before the answer"
    )
    lock_step: list[float] = []
    pipelined: list[float] = []
    waits: list[float] = []
    batched: list[float] = []
    whole: list[float] = []
    renewals: list[float] = []
    loads: list[float] = []
    for repeat in range(scale.repeats):
        with registries(1) as [registry]:
            some = _Keys(3 * repeat + 1)
            client = Client(registry.rpc).greet()
            lock_step.append(_rate(client, some.registrations(client, scale.lock_step), 1)[0])
            rate, took = _rate(client, some.registrations(client, scale.calls), IN_FLIGHT)
            pipelined.append(rate)
            waits += took
            calls = batches(some.registrations(client, scale.calls), BATCH)
            batched.append(BATCH * _rate(client, calls, 2)[0])
            renewals.append(
                _rate(client, [client.renew_call(0, key) for key in some.known[: scale.calls]], IN_FLIGHT)[0]
            )
            load = [request(0, "node.load", {"node_id": key.id, "load": 0.5}) for key in some.known[: scale.calls]]
            loads.append(_rate(client, load, IN_FLIGHT)[0])
            whole.append(_logins_and_registrations(registry, scale))
    table.add("registrations/s, one at a time", lock_step, "≥ 1 000", peers.REGISTRATIONS_1)
    table.add(f"registrations/s, {IN_FLIGHT} in flight", pipelined, "≥ 4 000", peers.REGISTRATIONS_64)
    table.add("- its p50 ms", 1000 * percentile(waits, 0.5), "", peers.REGISTRATIONS_64_P50)
    table.add("- its p99 ms", 1000 * percentile(waits, 0.99), "", peers.REGISTRATIONS_64_P99)
    table.add(f"registrations/s, JSON-RPC batches of {BATCH}", batched, "≥ 6 000", peers.REGISTRATIONS_BATCHED)
    table.add(f"logins with registrations/s, batches of {BATCH}", whole, "", "")
    table.add(f"renewals/s (a new proof each), {IN_FLIGHT} in flight", renewals, "", peers.RENEWALS_64)
    table.add(f"loads/s, {IN_FLIGHT} in flight", loads, "", "")
    table.add(
        "limit: Ed25519 signatures/s of one core",
        baselines.signatures_per_second(),
        "",
        "2 a registration, 1 a renewal",
    )
    table.add(
        "limit: Ed25519 verifications/s of one core", baselines.verifications_per_second(), "", "1 a login, 1 a renewal"
    )
    table.add("limit: raw LMDB, durable puts/s, 1 at a time", baselines.lmdb_puts_per_second(1), "", "2 a registration")
    table.add("limit: raw LMDB, durable puts/s, 64 a commit", baselines.lmdb_puts_per_second(64), "", "")
    table.notes.append("the keys are logged in before the clock starts, but for the row that says so; "
                       "etcd and redis check no signatures")  # fmt: skip
    return table


class _Keys:
    """Fresh keys, and those registered so far."""

    def __init__(self, seed: int) -> None:
        self._seed = 1_000 * seed
        self.known: list[MediaKey] = []

    def registrations(self, client: Client, count: int) -> list[bytes]:
        """The registrations of so many new nodes, whose keys are logged in."""
        self._seed += 1
        fresh = keys(count, self._seed)
        client.authenticate(fresh)
        self.known += fresh
        described = descriptions(count, self._seed)
        return [register_call(number, key, described[number]) for number, key in enumerate(fresh)]


def _rate(client: Client, payloads: Sequence[bytes], in_flight: int) -> tuple[float, list[float]]:
    began = time.perf_counter()
    waits = client.pipeline(payloads, in_flight)
    return len(payloads) / (time.perf_counter() - began), waits


def _logins_and_registrations(registry: Registry, scale: Scale) -> float:
    """All that a new node costs, in batches: its login and its registration."""
    client = Client(registry.rpc).greet()
    fresh = keys(scale.calls, 999)
    described = descriptions(scale.calls, 999)
    calls = [
        call
        for number, key in enumerate(fresh)
        for call in (client.login_call(number, key), register_call(number, key, described[number]))
    ]
    return BATCH * _rate(client, batches(calls, 2 * BATCH), 2)[0]
