"""Cancelled, stopped or out of time at each checkpoint of an exchange: nothing is left behind, and the next exchange
goes well. A sweep must have visited at least so many checkpoints, or it did not look where it should."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from checkpoints import Sweep, seeded_scheduling, sweep
from memory_network import MemoryNetwork
from test_virtual_nodes import CAM, media_node
from whole_nodes import Registry as Node
from whole_nodes import make_clock, registries, running, shown, until

from p2preg.cells.cell import advert_key
from p2preg.storage.cellstore import open_store
from p2preg.wire.messages import Gossip, Prune
from tests.loopback.transports import MIDDLE, SMALL, Registry, registry

# --- transports -----------------------------------------------------------------------------------------------------


@contextmanager
def network() -> Iterator[MemoryNetwork]:
    """At its end every socket must be closed."""
    made = MemoryNetwork()
    trio.socket.set_custom_socket_factory(made)
    yield made
    assert made.open_sockets == {}


async def talk(alice: Registry, bob: Registry) -> None:
    """Alice dials bob, and each says something."""
    await alice.link(bob)
    for one, other in ((alice, bob), (bob, alice)):
        one.inbox.messages.clear()
        other.transport.send(one.id, Gossip(bytes(20_000)))
        other.transport.send(one.id, Prune([bytes(32)]))
    for one in (alice, bob):
        await one.inbox.wait_until(lambda one=one: len(one.inbox.messages) == 2)  # type: ignore[misc]


async def are_strangers(*both: Registry) -> None:
    """Until each has noticed that the other is gone, and keeps nothing of it."""
    for one in both:
        await until(lambda one=one: is_idle(one), 20.0)  # type: ignore[misc]
        one.transport.check_invariants()


def is_idle(one: Registry) -> bool:
    now = one.transport.statistics()
    at_work = now.links or now.half_open or now.dials_running or now.dials_waiting
    return not (at_work or one.transport._carried or one.inbox.linked())


@pytest.mark.parametrize("dials", ["alice", "bob"])
def test_a_transport_that_is_cancelled_anywhere_in_an_exchange(dials: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def exchanges(swept: Sweep) -> None:
        with network() as made:
            async with registry(MIDDLE) as bob:
                for checkpoint, epoch in zip(swept, itertools.count(1), strict=False):
                    told: list[Registry] = []
                    with checkpoint.cancelling():
                        async with registry(SMALL, epoch=2 * epoch) as alice:
                            told.append(alice)
                            await (talk(alice, bob) if dials == "alice" else talk(bob, alice))
                    assert all(alice.inbox.linked() == [] for alice in told)
                    await are_strangers(bob)
                    assert len(made.open_sockets) == 1
                    async with registry(SMALL, epoch=2 * epoch + 1) as again:
                        await talk(again, bob)
                    await are_strangers(bob)

    assert sweep(exchanges, monkeypatch) >= 80


def test_a_transport_that_says_goodbye_anywhere_in_an_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exchanges(swept: Sweep) -> None:
        with network() as made:
            async with registry(MIDDLE) as bob:
                for checkpoint, epoch in zip(swept, itertools.count(1), strict=False):
                    parting = trio.Event()
                    async with registry(SMALL, epoch=epoch) as alice, trio.open_nursery() as nursery:
                        checkpoint.strike(parting.set)
                        nursery.start_soon(talk, alice, bob)
                        await until(lambda: parting.is_set() or not nursery.child_tasks, 20.0)  # noqa: B023
                        await alice.transport.goodbye("stopping")
                        assert is_idle(alice)
                        nursery.cancel_scope.cancel()
                    await are_strangers(bob)
                    assert len(made.open_sockets) == 1

    assert sweep(exchanges, monkeypatch) >= 80


def test_a_link_that_is_closed_anywhere_in_an_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exchanges(swept: Sweep) -> None:
        with network():
            async with registry(MIDDLE) as bob, registry(SMALL) as alice:
                for checkpoint in swept:
                    closed = len(alice.inbox.downs)
                    async with trio.open_nursery() as nursery:
                        checkpoint.strike(lambda: alice.transport.close(bob.id, "no longer needed"))
                        nursery.start_soon(talk, alice, bob)
                        await until(lambda: len(alice.inbox.downs) > closed or not nursery.child_tasks, 20.0)  # noqa: B023
                        nursery.cancel_scope.cancel()
                    checkpoint.over()
                    alice.transport.close(bob.id, "the exchange is over")
                    await are_strangers(alice, bob)

    assert sweep(exchanges, monkeypatch) >= 20


def test_a_dial_whose_time_is_up_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exchanges(swept: Sweep) -> None:
        with network():
            async with registry(MIDDLE) as bob, registry(SMALL) as alice:
                for checkpoint in swept:
                    checkpoint.strike(lambda: swept.clock.jump(6.0))
                    alice.dial(bob)
                    await alice.inbox.wait_until(lambda: bool(alice.inbox.linked() or alice.inbox.failures))
                    checkpoint.over()
                    alice.inbox.failures.clear()
                    alice.transport.close(bob.id, "the exchange is over")
                    await are_strangers(alice, bob)

    assert sweep(exchanges, monkeypatch) >= 10


# --- whole registries and their clients -----------------------------------------------------------------------------


def tasks_living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def test_a_media_node_that_is_cancelled_anywhere_in_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exchanges(swept: Sweep) -> None:
        [alice] = registries("alice")
        async with running(alice) as network:
            at_rest = tasks_living(), len(network.open_sockets)
            for checkpoint in swept:
                with checkpoint.cancelling():
                    async with media_node(alice) as camera:
                        await camera.wait_attached()
                await until(lambda: (tasks_living(), len(network.open_sockets)) == at_rest, 20.0)
            async with media_node(alice) as camera:
                await camera.wait_attached()
                assert await shown(alice) == {camera.node_id: "live"}
        assert network.open_sockets == {}

    assert sweep(exchanges, monkeypatch) >= 100


def test_a_registry_that_is_cancelled_anywhere_in_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had acknowledged is on its shelf, and its node comes back to it."""

    async def exchanges(swept: Sweep) -> None:
        for checkpoint in swept:
            [alice] = registries("alice")
            with network() as made:
                async with media_node(alice) as camera, trio.open_nursery() as nursery:
                    ended = trio.Event()
                    nursery.start_soon(live, alice, checkpoint, ended)
                    await until(lambda: camera.attached or ended.is_set(), 20.0)  # noqa: B023
                    acknowledged = camera.attached
                    alice.told_to_stop.set()
                    await ended.wait()
                    assert made.listeners == {}
                    assert not acknowledged or advert_key(CAM.public, CAM.public) in alice.shelf.cells
                    await nursery.start(alice.run)
                    await until(lambda: camera.attached, 60.0)
                    assert await shown(alice) == {camera.node_id: "live"}
                    await camera.leave()
                    alice.told_to_stop.set()

    assert sweep(exchanges, monkeypatch) >= 60


async def live(registry: Node, checkpoint: Sweep, ended: trio.Event) -> None:
    with checkpoint.cancelling():
        await registry.run()
    ended.set()


# --- the store ------------------------------------------------------------------------------------------------------


def test_a_store_that_is_cancelled_anywhere_in_its_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever it said to be durable is there. The threads are real, and so is the time."""

    async def exchanges(swept: Sweep) -> None:
        for checkpoint in swept:
            path = tmp_path / str(checkpoint.checkpoints)
            durable: list[bytes] = []
            with checkpoint.cancelling():
                async with open_store(path, environments=2) as store:
                    for number in range(3):
                        keys = [b"%d" % (2 * number + shard) for shard in range(2)]
                        await store.put([(shard, key, b"cell") for shard, key in enumerate(keys)])
                        durable += keys
                    await store.meta_put("epoch", b"1")
                    store.put_nowait([(0, b"last", b"cell")], lambda: durable.append(b"last"))  # noqa: B023
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("store-")]
            async with open_store(path, environments=2) as store:
                assert {key for key, _, intact in store.load_all() if intact} >= set(durable)

    assert sweep(exchanges, monkeypatch, in_real_time=True) >= 5


# --- the tools ------------------------------------------------------------------------------------------------------


def test_a_sweep_comes_by_every_checkpoint_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[int] = []

    async def exchanges(swept: Sweep) -> None:
        for checkpoint in swept:
            done = 0
            with checkpoint.cancelling():
                for done in range(1, 4):  # noqa: B007
                    await trio.lowlevel.checkpoint()
                done = 4
            passed.append(done)

    assert sweep(exchanges, monkeypatch) == 3
    assert passed == [1, 2, 3, 4]


def test_a_task_that_is_left_behind_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exchanges(swept: Sweep) -> None:
        for _ in swept:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)

    with pytest.raises(AssertionError):
        sweep(exchanges, monkeypatch)


@pytest.mark.parametrize(("seeds", "alike"), [((1, 1), True), ((1, 2), False)])
def test_the_order_of_tasks_depends_on_the_seed(
    seeds: tuple[int, int], alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def race() -> list[int]:
        order: list[int] = []

        async def run(number: int) -> None:
            for _ in range(3):
                await trio.lowlevel.checkpoint()
                order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(run, number)
        return order

    orders = []
    for seed in seeds:
        with seeded_scheduling(seed):
            orders.append(trio.run(race, clock=make_clock(monkeypatch)))
    assert (orders[0] == orders[1]) is alike
