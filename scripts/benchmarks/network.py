"""Parts that several topics need: a registry that is filled, and waiting until others see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from scripts.benchmarks.client import Client, batches, register_call, wait_any
from scripts.benchmarks.media_nodes import MediaKey, descriptions, keys
from scripts.benchmarks.registries import Registry

KEYS_PER_CLIENT = 10_000  # a session may hold some more


class Guests:
    """The clients behind registered nodes. A thread answers the registry's pings, or it would call them suspect."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients
        self._ends = False
        self._thread = threading.Thread(target=self._answer_pings, daemon=True)
        self._thread.start()

    def _answer_pings(self) -> None:
        while not self._ends:
            for client in wait_any(self._clients, 0.2):
                client.receive()

    def close(self) -> None:
        """Vanish, as killed processes do."""
        self._ends = True
        self._thread.join()
        for client in self._clients:
            client.close()


def fill(registry: Registry, count: int, seed: int = 7) -> Guests:
    """Register so many nodes there, that live until they are closed."""
    described = descriptions(count, seed)
    known = keys(count, seed)
    clients = []
    for at in range(0, count, KEYS_PER_CLIENT):
        part = known[at : at + KEYS_PER_CLIENT]
        client = Client(registry.rpc).greet()
        client.authenticate(part)
        register(client, part, described[at : at + KEYS_PER_CLIENT])
        clients.append(client)
    return Guests(clients)


def register(client: Client, known: Sequence[MediaKey], described: Sequence[dict[str, object]]) -> None:
    """Register nodes whose keys are logged in, in batches."""
    calls = [register_call(number, key, described[number]) for number, key in enumerate(known)]
    client.pipeline(batches(calls, 100), 2)


def live_at(client: Client) -> int:
    """How many live nodes its registry sees."""
    count: int = client.call("registry.info")["nodes"]["live"]
    return count


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> float:
    """Look until it is so; the seconds that took."""
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > seconds:
            raise TimeoutError(f"in vain for {seconds:.0f} s: {what}")
        time.sleep(0.005)
    return time.perf_counter() - began


def until_live(registries: Sequence[Registry], count: int) -> float:
    """Wait until each of them sees so many live nodes; the seconds that took."""
    clients = [Client(registry.rpc) for registry in registries]
    try:
        return wait_until(lambda: all(live_at(client) == count for client in clients), f"{count} live everywhere")
    finally:
        for client in clients:
            client.close()


def until_linked(registries: Sequence[Registry]) -> None:
    """Wait until each knows and hears all of them."""
    for registry in registries:
        client = Client(registry.rpc)

        def hears_all(client: Client = client) -> bool:
            fresh: int = client.call("nodes.list", limit=1)["freshness"]["registries_fresh"]
            return fresh == len(registries)

        wait_until(hears_all, "all registries hear each other")
        client.close()
