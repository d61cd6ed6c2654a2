"""Watching from a registry that homes nothing of it: snapshot, synced, live; digests; resuming; slow clients."""

from __future__ import annotations

from typing import Any

import trio
from follower import Follower, follow
from handmade import ATTRIBUTES, Key
from raw_client import RawClient, connect, eventually, until_shown
from registry_process import RegistryProcess


def of(region: str, **more: Any) -> dict[str, Any]:
    return {"filter": {"eq": ["region", region]}, **more}


async def register(client: RawClient, region: str, count: int, **attributes: Any) -> list[Key]:
    """So many nodes, by one batch each for logins and registrations."""
    keys = [Key() for _ in range(count)]
    if not client.hello:
        await client.greet()
    described = {**ATTRIBUTES, "region": region, **attributes}
    for start in range(0, count, 50):
        some = keys[start : start + 50]
        await batch(client, "session.authenticate", [client.login(key) for key in some])
        await batch(client, "node.register", [{"node_id": key.id, "attributes": described} for key in some])
    return keys


async def batch(client: RawClient, method: str, params: list[dict[str, Any]]) -> None:
    calls = [{"jsonrpc": "2.0", "id": at, "method": method, "params": each} for at, each in enumerate(params)]
    answers = await client.ask(calls)
    assert all("result" in answer for answer in answers), answers[0]


async def until_total(client: RawClient, region: str, total: int) -> None:
    async def is_there() -> bool:
        listed = await client.call("nodes.list", **of(region), include="all", limit=1)
        return bool(listed["total"] == total)

    await eventually(is_there, f"{total} nodes in {region}")


async def agrees(follower: Follower, region: str, include: str = "allocatable") -> None:
    """What the follower holds is, in the end, what its registry lists."""

    async def same() -> bool:
        listed = await follower.client.call("nodes.list", **of(region), include=include, limit=1000)
        await follower.quiet()
        return {node["node_id"]: node["version"] for node in listed["nodes"]} == follower.versions

    await eventually(same, "the follower holds what is listed")


# --- the course of a subscription -----------------------------------------------------------------------------------


async def test_the_snapshot_comes_first_then_synced_then_what_happens(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    keys = await register(alice, region, 3)
    await until_total(bob, region, 3)
    follower = await follow(bob, **of(region))
    assert follower.mode == "snapshot"
    await follower.until_synced()
    assert set(follower.nodes) == {key.id for key in keys}
    listed = await bob.call("nodes.list", **of(region))
    assert {node["node_id"]: node for node in listed["nodes"]} == follower.nodes
    [late] = await register(alice, region, 1)
    await follower.until(lambda: late.id in follower.nodes)
    await alice.call("node.register", node_id=late.id, attributes={**ATTRIBUTES, "region": region, "city": "Delft"})
    await follower.until(lambda: follower.nodes[late.id].get("city") == "Delft")
    await alice.call("node.leave", node_id=late.id)
    await follower.until(lambda: late.id not in follower.nodes)
    assert follower.kinds_of(late.id) == ["enter", "update", "leave"]
    assert follower.reasons_of(late.id) == ["changed", "stopped"]
    await agrees(follower, region)


async def test_a_subscription_to_nothing_is_synced_with_a_digest_of_zeros(bob: RawClient, region: str) -> None:
    follower = await (await follow(bob, **of(region))).until_synced()
    assert follower.synced is not None
    assert (follower.synced["count"], follower.synced["digest"]) == (0, "0" * 32)


async def test_a_large_snapshot_is_cut_into_notifications_that_fit(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    large = {"labels": {f"label{n}": "x" * 100 for n in range(16)}}
    await register(alice, region, 300, **large)
    await until_total(bob, region, 300)
    follower = await (await follow(bob, **of(region), max_rate_ms=0)).until_synced()
    assert len(follower.nodes) == 300
    assert follower.notifications > 2
    small = await (await follow(bob, **of(region), fields=[])).until_synced()
    assert small.notifications == 1
    assert small.have == follower.have


async def test_leaving_the_set_says_why_and_coming_back_enters(alice: RawClient, bob: RawClient, region: str) -> None:
    [key] = await register(alice, region, 1)
    await until_total(bob, region, 1)
    follower = await (await follow(bob, **of(region), max_rate_ms=0)).until_synced()
    for level, back in (("cordoned", True), ("draining", True)):
        await alice.call("node.drain", level=level)
        await follower.until(lambda: key.id not in follower.nodes)
        if back:
            await alice.call("node.resume")
            await follower.until(lambda: key.id in follower.nodes)
    await alice.abort()
    await follower.until(lambda: key.id not in follower.nodes)
    assert follower.kinds_of(key.id) == ["enter", "leave", "enter", "leave", "enter", "leave"]
    assert [reason for reason in follower.reasons_of(key.id) if reason != "changed"] == [
        "cordoned", "draining", "suspect",
    ]  # fmt: skip


async def test_include_decides_what_a_change_of_state_is(alice: RawClient, bob: RawClient, region: str) -> None:
    [key] = await register(alice, region, 1)
    await until_total(bob, region, 1)
    allocatable, live, everything = [
        await (await follow(bob, **of(region), include=include, max_rate_ms=0)).until_synced()
        for include in ("allocatable", "live", "all")
    ]
    await alice.call("node.drain", level="cordoned")
    await everything.until(lambda: len(everything.told) == 2)
    await alice.call("node.leave")
    await everything.until(lambda: len(everything.told) == 3)
    for follower in (allocatable, live):
        await follower.quiet()
    assert [event["type"] for event in allocatable.told] == ["enter", "leave"]
    assert [event["type"] for event in live.told] == ["enter", "update", "leave"]
    assert [event["type"] for event in everything.told] == ["enter", "update", "update"]
    assert everything.nodes[key.id]["state"] == "stopped"
    for follower in (allocatable, live, everything):
        await agrees(follower, region, {id(allocatable): "allocatable", id(live): "live"}.get(id(follower), "all"))


async def test_projected_fields_are_all_that_events_carry(alice: RawClient, bob: RawClient, region: str) -> None:
    [key] = await register(alice, region, 1, city="Delft")
    await until_total(bob, region, 1)
    follower = await (await follow(bob, **of(region), fields=["city", "state"])).until_synced()
    assert set(follower.nodes[key.id]) == {"node_id", "version", "city", "state"}
    assert (await bob.refused("nodes.subscribe", fields=["nose"])).code == -32602


# --- load -----------------------------------------------------------------------------------------------------------


async def test_load_gives_updates_only_to_those_whose_fields_name_it(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    [key] = await register(alice, region, 1)
    await until_total(bob, region, 1)
    plain = await (await follow(bob, **of(region), max_rate_ms=0)).until_synced()
    asked = await (await follow(bob, **of(region), fields=["load"], max_rate_ms=0)).until_synced()
    version = asked.nodes[key.id]["version"]
    await alice.call("node.load", load=0.25)
    await asked.until(lambda: asked.nodes[key.id].get("load", {}).get("load") == 0.25)
    await alice.call("node.load", load=0.75)
    await asked.until(lambda: asked.nodes[key.id]["load"]["load"] == 0.75)
    assert asked.nodes[key.id]["version"] == version
    assert set(asked.kinds_of(key.id)) == {"enter", "update"}
    await plain.quiet()
    assert plain.kinds_of(key.id) == ["enter"]


async def test_a_filter_on_load_makes_nodes_enter_and_leave(alice: RawClient, bob: RawClient, region: str) -> None:
    [key] = await register(alice, region, 1)
    await until_total(bob, region, 1)
    tree = {"and": [{"eq": ["region", region]}, {"lt": ["load", 0.7]}]}
    follower = await (await follow(bob, filter=tree, max_rate_ms=0)).until_synced()
    assert follower.nodes == {}
    for load, inside in ((0.5, True), (0.9, False), (0.1, True)):
        await alice.call("node.load", load=load)
        await follower.until(lambda inside=inside: (key.id in follower.nodes) == inside)
    assert follower.kinds_of(key.id) == ["enter", "leave", "enter"]


# --- pace -----------------------------------------------------------------------------------------------------------


async def test_changes_between_flushes_coalesce_to_the_latest_state(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    keys = await register(alice, region, 2)
    await until_total(bob, region, 2)
    follower = await (await follow(bob, **of(region), include="all", max_rate_ms=700)).until_synced()
    before, began = follower.notifications, trio.current_time()
    for n in range(40):
        method, params = ("node.drain", {"level": "cordoned"}) if n % 2 == 0 else ("node.resume", {})
        await alice.call(method, node_id=keys[0].id, **params)
    await alice.call("node.drain", node_id=keys[0].id, level="draining", reason="the last")
    await follower.until(lambda: follower.nodes[keys[0].id].get("drain") == {"reason": "the last"})
    flushes = (trio.current_time() - began) / 0.7
    assert follower.notifications - before <= flushes + 1
    await agrees(follower, region, "all")


async def test_a_subscription_that_asks_for_every_change_is_told_of_many_and_misses_none_in_the_end(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    follower = await (await follow(carol, **of(region), include="all", max_rate_ms=0)).until_synced()
    mine = await register(alice, region, 60)
    yours = await register(bob, region, 60)
    for client, keys in ((alice, mine), (bob, yours)):
        await batch(client, "node.drain", [{"node_id": key.id, "level": "cordoned"} for key in keys[::2]])
        await batch(client, "node.leave", [{"node_id": key.id} for key in keys[::3]])
    wanted = {
        key.id: "stopped" if at % 3 == 0 else "cordoned" if at % 2 == 0 else "serving"
        for keys in (mine, yours)
        for at, key in enumerate(keys)
    }
    await follower.until(lambda: _states(follower) == wanted)
    await agrees(follower, region, "all")


async def test_a_client_that_stops_reading_harms_nobody_and_is_never_left_with_a_silent_gap(
    three: list[RegistryProcess], alice: RawClient, bob: RawClient, region: str
) -> None:
    labels = {f"label{n}": "x" * 120 for n in range(20)}
    keys = await register(alice, region, 150, labels=labels)
    await until_total(bob, region, 150)
    async with connect(three[1].rpc, receive_buffer=16_384) as slow:
        lagging = await (await follow(slow, **of(region), include="all", max_rate_ms=0)).until_synced()
        healthy = await (await follow(bob, **of(region), include="all", max_rate_ms=0)).until_synced()
        slow.valve.shut()
        for n in range(12):
            method, params = ("node.drain", {"level": "cordoned"}) if n % 2 == 0 else ("node.resume", {})
            for start in range(0, len(keys), 50):
                some = keys[start : start + 50]
                await batch(alice, method, [{"node_id": key.id, **params} for key in some])
            began = trio.current_time()
            await bob.call("rpc.ping")
            assert trio.current_time() - began < 2
        await batch(alice, "node.drain", [{"node_id": key.id, "level": "draining"} for key in keys[:50]])
        wanted = {key.id: "draining" if at < 50 else "serving" for at, key in enumerate(keys)}
        await healthy.until(lambda: _states(healthy) == wanted)
        slow.valve.open()
        await lagging.until(lambda: lagging.lagged or _states(lagging) == wanted)
        assert lagging.lagged or lagging.versions == healthy.versions


def _states(follower: Follower) -> dict[str, str]:
    return {node_id: node["state"] for node_id, node in follower.nodes.items()}


# --- limits, ends ---------------------------------------------------------------------------------------------------


async def test_unsubscribing_ends_the_events_and_only_own_subscriptions_can_be_ended(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    follower = await (await follow(bob, **of(region))).until_synced()
    witness = await (await follow(bob, **of(region))).until_synced()
    error = await carol.refused("nodes.unsubscribe", subscription=follower.subscription)
    assert (error.code, error.reason) == (-32002, "subscription.unknown")
    assert await bob.call("nodes.unsubscribe", subscription=follower.subscription) is True
    [key] = await register(alice, region, 1)
    await witness.until(lambda: key.id in witness.nodes)
    await follower.quiet()
    assert follower.told == []
    error = await bob.refused("nodes.unsubscribe", subscription=follower.subscription)
    assert error.reason == "subscription.unknown"


async def test_a_session_has_as_many_subscriptions_as_announced_and_one_that_ends_makes_room(
    bob: RawClient, region: str
) -> None:
    limit = (await bob.greet())["limits"]["subscriptions"]
    followers = [await follow(bob, **of(region)) for _ in range(limit)]
    error = await bob.refused("nodes.subscribe", **of(region))
    assert (error.code, error.reason) == (-32005, "limit.subscriptions")
    await bob.call("nodes.unsubscribe", subscription=followers[0].subscription)
    await follow(bob, **of(region))


async def test_in_a_batch_too_the_result_comes_before_the_events(alice: RawClient, bob: RawClient, region: str) -> None:
    await register(alice, region, 1)
    await until_total(bob, region, 1)
    answers = await bob.ask(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "nodes.subscribe", "params": of(region)},
            {"jsonrpc": "2.0", "id": 2, "method": "registry.lookup", "params": {"target": "ab" * 32}},
        ]
    )
    assert bob.texts_after == [0]
    [result] = [answer["result"] for answer in answers if answer["id"] == 1]
    await Follower(bob, result["subscription"], result["mode"], {}).until_synced()


# --- resuming -------------------------------------------------------------------------------------------------------


async def test_a_client_that_holds_what_stands_resumes_at_another_registry_with_an_empty_difference(
    three: list[RegistryProcess], alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    keys = await register(alice, region, 20)
    await until_total(bob, region, 20)
    await until_total(carol, region, 20)
    async with connect(three[1].rpc) as cut_off:
        first = await (await follow(cut_off, **of(region))).until_synced()
    resumed = await (await follow(carol, first.nodes, **of(region))).until_synced()
    assert resumed.mode == "difference"
    assert resumed.told == []
    await alice.call("node.leave", node_id=keys[0].id)
    await resumed.until(lambda: keys[0].id not in resumed.nodes)
    await agrees(resumed, region)


async def test_a_client_that_missed_something_is_brought_up_to_date(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    keys = await register(alice, region, 5)
    await until_total(bob, region, 5)
    first = await (await follow(bob, **of(region))).until_synced()
    held = dict(first.nodes)
    await alice.call("node.leave", node_id=keys[0].id)
    await until_shown(carol, keys[0].id, state="stopped")
    resumed = await (await follow(carol, held, seconds=35, **of(region))).until_synced()
    assert set(resumed.nodes) == {key.id for key in keys[1:]}
    for have in ({"count": 5}, {"count": -1, "digest": "0" * 32}, {"count": 1, "digest": "0" * 31}, {}):
        assert (await carol.refused("nodes.subscribe", **of(region), have=have)).code == -32602
