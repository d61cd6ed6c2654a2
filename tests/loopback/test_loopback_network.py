"""Five registries as processes: they find each other from one seed, agree, and lose nothing when they are killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from follower import follow
from handmade import Key
from raw_client import RawClient, connect, eventually, until_shown
from registry_process import RegistryProcess, end, registries
from trio_websocket import ConnectionClosed

SPREAD_SECONDS = 20.0  # "within seconds", on a busy machine


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RegistryProcess]]:
    with registries(tmp_path_factory.mktemp("five"), 5) as found:
        yield found


async def picture(registry: RegistryProcess, region: str | None = None) -> dict[str, str]:
    """Node id → version: all that a registry holds, as a subscriber with include all sees it, digest checked."""
    asked: dict[str, Any] = {"filter": {"eq": ["region", region]}} if region else {}
    async with connect(registry.rpc) as client:
        follower = await (await follow(client, include="all", fields=[], **asked)).until_synced()
        return follower.versions


async def all_agree(found: list[RegistryProcess], wanted: set[str], region: str) -> None:
    """Every registry shows exactly the wanted nodes of a region, in the same versions."""

    async def same() -> bool:
        pictures = [await picture(registry, region) for registry in found]
        return set(pictures[0]) == wanted and all(each == pictures[0] for each in pictures)

    await eventually(same, f"all of {len(found)} show {len(wanted)} nodes in the same versions", SPREAD_SECONDS)


async def registered(client: RawClient, region: str, count: int) -> list[Key]:
    keys = [Key() for _ in range(count)]
    for key in keys:
        await client.register(key, {"region": region})
    return keys


# --- forming --------------------------------------------------------------------------------------------------------


async def test_five_registries_find_each_other_from_one_seed_and_say_synced(five: list[RegistryProcess]) -> None:
    for registry in five:
        async with connect(registry.rpc) as client:

            async def is_whole(client: RawClient = client) -> bool:
                info = await client.call("registry.info")
                freshness = (await client.call("nodes.list"))["freshness"]
                heard = (freshness["registries_known"], freshness["registries_fresh"])
                return bool(info["synced"] and info["peers"]["active"] >= 1 and heard == (5, 5))

            await eventually(is_whole, f"{registry} is synced and hears all", 40)


async def test_info_describes_the_registry(five: list[RegistryProcess]) -> None:
    async with connect(five[0].rpc) as client:
        info = await client.call("registry.info")
        hello = await client.greet()
    assert (info["registry_id"], info["network"]) == (five[0].registry_id, hello["network"])
    assert (info["epoch"], info["version"]) == (hello["epoch"], hello["version"])
    assert set(info["nodes"]) == {"live", "suspect", "unknown", "expired", "total"}
    assert set(info["peers"]) == {"routing_table", "active", "passive"}
    assert info["uptime_s"] > 0
    assert info["cells"] >= 5
    assert info["store"]["bytes"] > 0


async def test_peers_lists_all_others_with_where_they_are(five: list[RegistryProcess]) -> None:
    others = {other.registry_id: other for other in five[1:]}
    async with connect(five[0].rpc) as client:

        async def lists_them() -> list[dict[str, Any]] | None:
            peers = (await client.call("registry.peers"))["peers"]
            return peers if {peer["registry_id"] for peer in peers} == set(others) else None

        peers = await eventually(lists_them, "all four others")
    for peer in peers:
        other = others[peer["registry_id"]]
        assert (peer["endpoint"], peer["rpc"]) == (other.peer, other.rpc)
        assert peer["role"] in ("active", "passive", "known")
    assert any(peer["role"] == "active" for peer in peers)


async def test_lookup_finds_a_registry_by_its_id_from_any_other(five: list[RegistryProcess]) -> None:
    for asked, target in ((five[1], five[4]), (five[4], five[2])):
        async with connect(asked.rpc) as client:
            found = await client.call("registry.lookup", target=target.registry_id)
        assert found["found"] is True
        closest = {each["registry_id"]: each for each in found["closest"]}
        assert closest[target.registry_id]["rpc"] == target.rpc
        assert closest[target.registry_id]["endpoint"] == target.peer
        assert found["hops"] >= 0
        assert found["asked"] >= 0
    async with connect(five[0].rpc) as client:
        nobody = await client.call("registry.lookup", target="00" * 32)
    assert nobody["found"] is False
    assert nobody["closest"]


# --- agreeing -------------------------------------------------------------------------------------------------------


async def test_registrations_at_each_are_at_every_one_in_equal_versions_and_what_left_stays_away(
    five: list[RegistryProcess], region: str
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(registry.rpc)) for registry in five]
        keys = {client: await registered(client, region, 6) for client in clients}
        for client in clients:
            first, second, *_ = keys[client]
            await client.call("node.drain", node_id=first.id, level="cordoned", reason="x")
            await client.call("node.leave", node_id=second.id)
        await all_agree(five, {key.id for some in keys.values() for key in some}, region)
        for client in clients:
            listed = await client.call("nodes.list", filter={"eq": ["region", region]})
            assert listed["total"] == 20


async def test_a_sixth_that_joins_late_has_everything_within_seconds_and_leaves_again_cleanly(
    five: list[RegistryProcess], tmp_path: Path, region: str
) -> None:
    async with connect(five[2].rpc) as client:
        keys = await registered(client, region, 30)
        await client.call("node.leave", node_id=keys[0].id)
        sixth = RegistryProcess(tmp_path / "sixth")
        try:
            sixth.start([five[3]])
            await all_agree([*five, sixth], {key.id for key in keys}, region)
            async with connect(sixth.rpc) as newcomer:
                await until_shown(newcomer, keys[0].id, state="stopped")
                listed = await newcomer.call("nodes.list", filter={"eq": ["region", region]})
                assert listed["total"] == 29

                async def says_synced() -> bool:
                    return bool((await newcomer.call("registry.info"))["synced"])

                await eventually(says_synced, "the sixth says synced", 40)
        finally:
            end([sixth])


# --- dying ----------------------------------------------------------------------------------------------------------


async def test_kill_9_in_a_loop_of_registrations_loses_nothing_that_was_acknowledged(
    five: list[RegistryProcess], region: str
) -> None:
    victim = five[3]
    acknowledged: list[str] = []
    async with connect(five[0].rpc) as steady:
        safe = await registered(steady, region, 5)
        async with connect(victim.rpc) as client, trio.open_nursery() as nursery:
            nursery.start_soon(_register_until_it_dies, client, region, acknowledged)
            await client.until(lambda: len(acknowledged) >= 100)
            victim.kill()
            await client.until_closed()
        assert len(acknowledged) >= 100
        await steady.call("node.leave", node_id=safe[1].id)  # while the victim cannot hear it
        wanted = {*acknowledged, *(key.id for key in safe)}
        victim.start()  # without a seed: it remembers whom it knew
        async with connect(victim.rpc) as client:
            shown = await picture(victim, region)
            assert set(acknowledged) <= set(shown)

            async def is_back() -> bool:
                freshness = (await client.call("nodes.list"))["freshness"]
                return bool(freshness["registries_fresh"] == 5)

            await eventually(is_back, "the victim hears the others again, without a seed", 40)
        for registry in five:

            async def has_all(registry: RegistryProcess = registry) -> bool:
                return wanted <= set(await picture(registry, region))

            await eventually(has_all, f"{registry} has all that was acknowledged", SPREAD_SECONDS)
        async with connect(five[1].rpc) as client:
            node = await until_shown(client, acknowledged[0], contact="unknown")
            assert node["home"] == victim.registry_id
            explained = await client.call("node.explain", node_id=acknowledged[0])
            assert any("restarted" in reason for reason in explained["reasons"])
            await until_shown(client, safe[0].id, contact="live")
        for registry in five:  # what is gone does not come back
            async with connect(registry.rpc) as client:
                await until_shown(client, safe[1].id, state="stopped", contact="expired")


async def _register_until_it_dies(client: RawClient, region: str, acknowledged: list[str]) -> None:
    try:
        while True:
            key = Key()
            await client.register(key, {"region": region})
            acknowledged.append(key.id)
    except (ConnectionClosed, AssertionError):
        assert client.closed is not None


async def test_the_epoch_grows_with_each_start(tmp_path: Path) -> None:
    registry = RegistryProcess(tmp_path / "phoenix")
    try:
        epochs = []
        for _ in range(3):
            registry.start()
            async with connect(registry.rpc) as client:
                epochs.append((await client.greet())["epoch"])
            registry.kill()
        assert epochs == sorted(set(epochs))
    finally:
        end([registry])


async def test_a_node_that_comes_back_to_its_restarted_home_is_live_with_the_state_it_declared(
    five: list[RegistryProcess], region: str
) -> None:
    key = Key()
    home = five[4]
    async with connect(five[0].rpc) as watching:
        async with connect(home.rpc) as client:
            await client.register(key, {"region": region})
            await client.call("node.drain", level="cordoned", reason="slow disk")
            await until_shown(watching, key.id, state="cordoned")
            home.kill()
        await home_again(home)
        await until_shown(watching, key.id, contact="unknown")
        async with connect(home.rpc) as client:
            assert (await client.register(key, {"region": region}))["state"] == "cordoned"
            node = await until_shown(watching, key.id, contact="live")
            assert node["drain"] == {"reason": "slow disk"}


async def home_again(registry: RegistryProcess) -> None:
    await trio.to_thread.run_sync(registry.start)


async def test_sigterm_ends_with_0_within_5_seconds_and_tells_the_nodes_even_if_clients_never_answer(
    five: list[RegistryProcess], tmp_path: Path, region: str
) -> None:
    registry = RegistryProcess(tmp_path / "leaving").start([five[0]])
    key = Key()
    try:
        async with connect(registry.rpc) as deaf, connect(registry.rpc) as polite:
            await polite.register(key, {"region": region})

            async def knows_where_to_go() -> bool:
                peers = (await polite.call("registry.peers"))["peers"]
                return len(peers) >= 5

            await eventually(knows_where_to_go, "it knows the others")
            await deaf.greet()
            deaf.valve.shut()
            began = trio.current_time()
            assert await trio.to_thread.run_sync(registry.stop) == 0
            assert trio.current_time() - began < 5
            assert await polite.until_closed() == 1001
            [notice] = polite.notices(key.id)
            assert notice["reason"] == "stopping"
            assert notice["registries"]
            async with connect(five[0].rpc) as client:
                await until_shown(client, key.id, contact="unknown", seconds=3)  # it said farewell
    finally:
        end([registry])
