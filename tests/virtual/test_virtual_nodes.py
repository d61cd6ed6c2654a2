"""Whole nodes, from their sockets to their websockets, in virtual time: hours pass in seconds, and nothing is left."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock
from whole_nodes import Registry, ask, neighbours, pass_time, registries, running, shown, until

from p2preg.client import MediaNode, Watcher
from p2preg.crypto.keys import IdentityKey

CAM = IdentityKey(b"cam".ljust(32, b"."))
ATTRIBUTES: dict[str, Any] = {
    "kind": "sfu",
    "endpoints": [{"purpose": "signalling", "url": "wss://sfu.example/ws"}],
    "codecs": ["audio/opus", "video/VP8"],
}
MINUTE, HOUR = 60.0, 3600.0


def media_node(*homes: Registry) -> MediaNode:
    return MediaNode(CAM, ATTRIBUTES, registries=[home.rpc for home in homes])


async def all_linked(*nodes: Registry) -> None:
    """Let time pass until each has all others for neighbours."""
    with trio.fail_after(MINUTE):
        for node in nodes:
            while len(await neighbours(node)) < len(nodes) - 1:
                await pass_time(0.1)


async def all_show(contact: str | None, *nodes: Registry, within: float) -> None:
    """Let time pass until each shows the camera so."""
    with trio.fail_after(within):
        for node in nodes:
            while (await shown(node)).get(CAM.public.hex()) != contact:
                await pass_time(0.1)


async def test_three_registries_link_and_a_registration_at_one_is_seen_at_all(clock: MockClock) -> None:
    alice, bob, carol = registries("alice", "bob", "carol")
    async with running(alice, bob, carol):
        await all_linked(alice, bob, carol)
        async with media_node(bob) as camera:
            await camera.wait_attached()
            assert camera.registry_id == bob.id
            await all_show("live", alice, bob, carol, within=2.0)
        await all_show("expired", alice, bob, carol, within=2.0)


async def test_more_than_an_hour_passes_and_a_node_stays_live(clock: MockClock) -> None:
    alice, bob = registries("alice", "bob")
    async with running(alice, bob):
        await all_linked(alice, bob)
        async with media_node(alice) as camera:
            await camera.wait_attached()
            await all_show("live", bob, within=2.0)
            for _ in range(5):
                await pass_time(HOUR / 4)
                assert await shown(bob) == {CAM.public.hex(): "live"}
            info = await ask(bob, "registry.info")
            assert info["synced"]
            assert info["uptime_s"] > HOUR


async def test_a_silent_link_is_noticed_by_the_keep_alive_and_comes_back_with_the_path(clock: MockClock) -> None:
    alice, bob = registries("alice", "bob")
    async with running(alice, bob) as network:
        await all_linked(alice, bob)
        network.silence(alice.host, bob.host)
        await pass_time(9.0)
        assert await neighbours(alice) == [bob.id], "two Pings may be under way before anyone is judged dead"
        await pass_time(7.0)
        assert (await neighbours(alice), await neighbours(bob)) == ([], [])
        network.heal()
        await all_linked(alice, bob)


async def test_a_home_that_falls_silent_leaves_its_nodes_unknown_and_they_move(clock: MockClock) -> None:
    alice, bob, carol = registries("alice", "bob", "carol")
    async with running(alice, bob, carol) as network:
        await all_linked(alice, bob, carol)
        async with media_node(alice, carol) as camera:
            await camera.wait_attached()
            await all_show("live", bob, within=2.0)
            for other in (bob, carol):
                network.silence(alice.host, other.host)
            await all_show("unknown", bob, carol, within=MINUTE)
            network.silence(alice.host, "198.51.100.1")
            await until(lambda: camera.registry_id == carol.id, MINUTE)
            await all_show("live", bob, carol, within=2.0)


async def test_a_watcher_moves_to_another_registry_when_its_own_stops_and_misses_nothing(clock: MockClock) -> None:
    alice, bob = registries("alice", "bob")
    async with running(alice, bob):
        await all_linked(alice, bob)
        async with Watcher([alice.rpc, bob.rpc], include="all") as watcher, media_node(bob) as camera:
            await camera.wait_attached()
            await until(lambda: camera.node_id in watcher.nodes, 5.0)
            assert watcher.url == alice.rpc
            alice.told_to_stop.set()
            await camera.drain("draining")
            await until(lambda: watcher.nodes[camera.node_id]["state"] == "draining", MINUTE)
            assert watcher.url == bob.rpc


async def test_a_registry_that_starts_again_from_its_shelf_shows_what_it_had_acknowledged(clock: MockClock) -> None:
    [alice] = registries("alice")
    async with running(alice), trio.open_nursery() as nursery:
        camera = media_node(alice)
        nursery.start_soon(camera.run)
        await camera.wait_attached()
        nursery.cancel_scope.cancel()
    async with running(alice):
        assert list(await shown(alice)) == [CAM.public.hex()]


async def test_a_stop_leaves_no_task_and_no_socket(clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    alice, bob = registries("alice", "bob")
    async with running(alice, bob) as network:
        await all_linked(alice, bob)
        bob.told_to_stop.set()
        await until(lambda: not any(socket.name == (bob.host, 4010) for socket in network.open_sockets), 5.0)
        assert await neighbours(alice) == []
    assert network.open_sockets == {}
    assert trio.lowlevel.current_statistics().tasks_living == before
