"""Whole registries in one Trio run, as `p2preg node` starts them, on memory sockets and a clock of the test's."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from memory_network import HOST, MemoryNetwork
from memory_store import MemoryStore, Shelf

from p2preg.app import NodeSettings, run_registry
from p2preg.base.address import Address
from p2preg.cells.network import NetworkFile
from p2preg.client import connect
from p2preg.crypto.keys import IdentityKey

START_NS = 1_800_000_000 * 10**9  # Unix time at the virtual clock's zero
PEER_PORT, RPC_PORT = 4010, 8443


def make_clock(monkeypatch: pytest.MonkeyPatch) -> trio.testing.MockClock:
    """Time passes when nothing else happens; the wall clock goes with it."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    monkeypatch.setattr(time, "time_ns", lambda: START_NS + int(clock.current_time() * 1e9))
    return clock


@dataclass
class Registry:
    """`ready`: what its ready line says, once it has been said. It keeps key and shelf from run to run."""

    host: str
    key: IdentityKey
    seeds: tuple[str, ...] = ()
    shelf: Shelf = field(default_factory=Shelf)
    ready: dict[str, str] = field(default_factory=dict)
    told_to_stop: trio.Event = field(default_factory=trio.Event)

    @property
    def id(self) -> str:
        return self.key.public.hex()

    @property
    def endpoint(self) -> str:
        return f"{self.host}:{PEER_PORT}"

    @property
    def rpc(self) -> str:
        return f"ws://{self.host}:{RPC_PORT}/"

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until `told_to_stop`. Started when it is ready."""
        HOST.set(self.host)
        self.told_to_stop = trio.Event()
        settings = NodeSettings(
            data_dir=Path(),  # not looked at
            listen=Address(self.host, PEER_PORT),
            rpc=Address(self.host, RPC_PORT),
            network=NetworkFile.open("virtual"),
            seeds=self.seeds,
        )

        def on_ready(said: dict[str, str]) -> None:
            self.ready = said
            task_status.started()

        await run_registry(settings, self.key, MemoryStore(self.shelf), self.told_to_stop, on_ready)


def registries(*names: str) -> list[Registry]:
    """All but the first have the first for a seed."""
    made: list[Registry] = []
    for number, name in enumerate(names, start=1):
        seeds = tuple(first.endpoint for first in made[:1])
        made.append(Registry(f"10.0.{number}.1", IdentityKey(name.encode().ljust(32, b".")), seeds))
    return made


@asynccontextmanager
async def running(*nodes: Registry) -> AsyncIterator[MemoryNetwork]:
    """They run, in a network of memory, until the block ends; then they are told to stop, and do."""
    network = MemoryNetwork()
    trio.socket.set_custom_socket_factory(network)
    async with trio.open_nursery() as nursery:
        for node in nodes:
            await nursery.start(node.run)
        yield network
        for node in nodes:
            node.told_to_stop.set()


async def pass_time(seconds: float) -> None:
    """Let so much virtual time pass."""
    with trio.move_on_after(seconds):
        await trio.sleep_forever()


async def until(condition: Callable[[], object], within: float) -> float:
    """Let virtual time pass until `condition` holds; how many seconds that took."""
    began = trio.current_time()
    with trio.fail_after(within):
        while not condition():
            await pass_time(0.02)
    return trio.current_time() - began


async def ask(registry: Registry, method: str, **params: Any) -> Any:
    """The answer to one call on a websocket of its own."""
    async with connect(registry.rpc) as connection:
        return await connection.call(method, params)


async def shown(registry: Registry) -> dict[str, str]:
    """The nodes that it shows: id and contact."""
    answer = await ask(registry, "nodes.list", include="all")
    return {node["node_id"]: node["contact"] for node in answer["nodes"]}


async def neighbours(registry: Registry) -> list[str]:
    """The registries that it has for neighbours."""
    answer = await ask(registry, "registry.peers")
    return [peer["registry_id"] for peer in answer["peers"] if peer["role"] == "active"]
