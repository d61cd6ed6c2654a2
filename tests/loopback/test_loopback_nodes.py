"""The life of a registered node: declared states, load, leaving, and what becomes of it when its socket goes."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from follower import follow
from handmade import ATTRIBUTES, Key, now_ms, version_by_hand
from raw_client import RawClient, connect, eventually, shown, until_shown
from registry_process import RegistryProcess

GONE_SECONDS = 40.0  # silent for 10 s, then 15 s of grace; and patience

# How to come to a state, and the calls that must not follow there.
PATHS: dict[str, list[str]] = {
    "starting": [],
    "serving": ["resume"],
    "cordoned": ["resume", "cordoned"],
    "draining": ["resume", "draining"],
    "stopping": ["resume", "draining", "stopping"],
}
GOOD = {
    "starting": ["resume"],
    "serving": ["cordoned", "draining"],
    "cordoned": ["resume", "draining"],
    "draining": ["resume", "stopping"],
    "stopping": [],
}
BAD = {
    "starting": ["cordoned", "draining", "stopping"],
    "serving": ["stopping"],
    "cordoned": ["stopping"],
    "draining": ["cordoned"],
    "stopping": ["resume", "cordoned", "draining"],
}


def attributes(region: str, **more: Any) -> dict[str, Any]:
    return {**ATTRIBUTES, "region": region, **more}


# --- states -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", PATHS)
async def test_every_move_that_a_state_allows_works_and_every_other_is_a_bad_transition(
    alice: RawClient, bob: RawClient, region: str, state: str
) -> None:
    for allowed in [*GOOD[state], "leave"]:
        key = Key()
        await alice.register(key, attributes(region), state="starting")
        await _go(alice, key, PATHS[state])
        for move in BAD[state]:
            error = await alice.refused(*_move(move), **_params(move, key))
            assert (error.code, error.reason) == (-32002, "node.bad_transition"), (state, move)
        await until_shown(bob, key.id, state=state)
        result = await alice.call(*_move(allowed), **_params(allowed, key))
        wanted = {"resume": "serving", "leave": "stopped"}.get(allowed, allowed)
        assert result == {"state": wanted}
        await until_shown(bob, key.id, state=wanted)


async def _go(client: RawClient, key: Key, moves: list[str]) -> None:
    for move in moves:
        await client.call(*_move(move), **_params(move, key))


def _move(move: str) -> tuple[str]:
    return ("node.resume" if move == "resume" else "node.leave" if move == "leave" else "node.drain",)


def _params(move: str, key: Key) -> dict[str, Any]:
    return {"node_id": key.id} if move in ("resume", "leave") else {"node_id": key.id, "level": move}


async def test_the_drain_object_says_deadline_reason_and_successors_until_the_node_resumes(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key, heir = Key(), Key()
    await alice.register(key, attributes(region))
    serving = await until_shown(bob, key.id)
    assert "drain" not in serving
    drain = {"deadline_ms": now_ms() + 60_000, "reason": "kernel update", "successors": [heir.id]}
    await alice.call("node.drain", level="draining", **drain)
    node = await until_shown(bob, key.id, state="draining")
    assert node["drain"] == drain
    assert node["allocatable"] is False
    declared = {"state": "draining", **drain, "successors": [heir.public]}
    assert node["version"] == version_by_hand(key.id, attributes(region), "registry", declared, "live")
    await alice.call("node.drain", level="stopping")
    assert (await until_shown(bob, key.id, state="stopping")).get("drain", {}) == {}
    again = Key()
    await alice.register(again, attributes(region))
    await alice.call("node.drain", node_id=again.id, level="cordoned", reason="x")
    await alice.call("node.resume", node_id=again.id)
    assert "drain" not in await until_shown(bob, again.id, state="serving", contact="live")


@pytest.mark.parametrize(
    "params",
    [
        {"level": "stopped"},
        {"level": "serving"},
        {},
        {"level": "draining", "deadline_ms": -1},
        {"level": "draining", "deadline_ms": 1.5},
        {"level": "draining", "reason": 1},
        {"level": "draining", "successors": ["00"]},
        {"level": "draining", "because": "x"},
    ],
    ids=str,
)
async def test_a_drain_that_is_wrong_is_refused_and_changes_nothing(
    alice: RawClient, region: str, params: dict[str, Any]
) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    assert (await alice.refused("node.drain", **params)).code == -32602
    node = await shown(alice, key.id)
    assert node is not None
    assert node["state"] == "serving"


async def test_registering_again_keeps_the_state_also_elsewhere_and_after_leaving_begins_anew(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    await alice.call("node.drain", level="draining", reason="tired")
    assert (await alice.call("node.register", attributes=attributes(region)))["state"] == "draining"
    await until_shown(bob, key.id, state="draining")
    assert (await bob.register(key, attributes(region)))["state"] == "draining"
    assert (await until_shown(carol, key.id, home=bob.hello["registry_id"]))["drain"] == {"reason": "tired"}
    assert await bob.call("node.leave") == {"state": "stopped"}
    await until_shown(carol, key.id, state="stopped")
    assert (await bob.call("node.register", attributes=attributes(region)))["state"] == "serving"
    await until_shown(carol, key.id, state="serving", contact="live")


async def test_a_node_that_left_is_shown_as_stopped_and_not_listed_any_more(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    await until_shown(bob, key.id)
    assert await alice.call("node.leave", reason="the end") == {"state": "stopped"}
    node = await until_shown(bob, key.id, state="stopped")
    assert (node["allocatable"], node["contact"]) == (False, "expired")
    for include, total in (("allocatable", 0), ("live", 0), ("all", 1)):
        listed = await bob.call("nodes.list", filter={"eq": ["region", region]}, include=include)
        assert listed["total"] == total, include
    assert (await alice.refused("node.resume")).code == -32002


async def test_a_node_that_is_not_registered_cannot_be_written(alice: RawClient) -> None:
    await alice.authenticate(Key())
    for method, params in (
        ("node.load", {"load": 1}), ("node.drain", {"level": "cordoned"}), ("node.resume", {}), ("node.leave", {}),
        ("node.renew", alice.proof(Key(), now_ms() + 1)),
    ):  # fmt: skip
        error = await alice.refused(method, **params)
        assert error.reason in ("node.unknown", "auth.bad_signature"), method


# --- load ---------------------------------------------------------------------------------------------------------


async def test_load_is_seen_at_other_registries_in_the_units_in_which_it_was_given(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    first = await until_shown(bob, key.id)
    assert "load" not in first
    load = {
        "load": 1.25, "cpu": 0.333333, "participants": 12, "rooms": 3, "tracks_in": 24, "tracks_out": 120,
        "in_bps": 10**9, "out_bps": 5 * 10**9, "measured_ms": now_ms() - 3_000,
    }  # fmt: skip
    assert await alice.call("node.load", **load) == {}
    node = await until_shown(bob, key.id, load=load)
    assert 3.0 <= node["load_age_s"] < 8.0
    assert node["version"] == first["version"]
    await alice.send({"jsonrpc": "2.0", "method": "node.load", "params": {"load": 0.5, "participants": 7}})

    async def half() -> bool:
        node = await shown(bob, key.id)
        return node is not None and node["load"]["load"] == 0.5 and "rooms" not in node["load"]

    await eventually(half, "the load given by a notification")


@pytest.mark.parametrize(
    "load",
    [{"load": -0.1}, {"load": "full"}, {"participants": 1.5}, {"rooms": -1}, {"heat": 1}, {"measured_ms": -1}],
    ids=str,
)
async def test_a_load_that_is_wrong_is_refused(alice: RawClient, region: str, load: dict[str, Any]) -> None:
    await alice.register(Key(), attributes(region))
    assert (await alice.refused("node.load", **load)).code == -32602


# --- explain ------------------------------------------------------------------------------------------------------


async def test_explain_says_why_a_node_is_and_is_not_selected(alice: RawClient, bob: RawClient, region: str) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    await until_shown(bob, key.id)
    good = await bob.call("node.explain", node_id=key.id, filter={"eq": ["region", region]})
    assert (good["contact"], good["allocatable"], good["reasons"]) == ("live", True, [])
    assert good["seen_by"]
    assert all(check["passed"] for check in good["checks"])
    wrong = {"and": [{"eq": ["region", "elsewhere"]}, {"has": ["codecs", "video/VP8"]}]}
    bad = await bob.call("node.explain", node_id=key.id, filter=wrong)
    failed = [check for check in bad["checks"] if not check["passed"]]
    assert [(check["value"], check["wanted"]) for check in failed] == [(region, "elsewhere")]
    assert "region" in failed[0]["predicate"]
    assert any("region" in reason for reason in bad["reasons"])
    await alice.call("node.drain", level="cordoned", reason="cable")
    await until_shown(bob, key.id, state="cordoned")
    cordoned = await bob.call("node.explain", node_id=key.id)
    assert cordoned["allocatable"] is False
    assert any("cordoned" in reason for reason in cordoned["reasons"])
    assert (await bob.refused("node.explain", node_id="00" * 32)).reason == "node.unknown"
    assert (await bob.refused("node.explain", node_id=key.id, filter={"eq": ["nose", 1]})).code == -32004


# --- sockets that go ----------------------------------------------------------------------------------------------


async def test_nodes_whose_clients_are_killed_or_fall_silent_are_suspect_everywhere_and_later_expired(
    three: list[RegistryProcess], bob: RawClient, carol: RawClient, region: str
) -> None:
    killed, closed, silent = Key(), Key(), Key()
    async with connect(three[0].rpc) as first, connect(three[0].rpc) as second, connect(three[0].rpc) as third:
        for client, key in ((first, killed), (second, closed), (third, silent)):
            await client.register(key, attributes(region))
            await until_shown(bob, key.id, contact="live")
        watcher = await (await follow(carol, filter={"eq": ["region", region]}, include="all")).until_synced()
        third.valve.shut()
        await first.abort()
        with trio.fail_after(3):
            node = await until_shown(bob, killed.id, contact="suspect")
        assert node["allocatable"] is False
        explained = await bob.call("node.explain", node_id=killed.id)
        assert explained["contact"] == "suspect"
        assert any("suspect" in reason for reason in explained["reasons"])
        await second.close()
        with trio.fail_after(3):
            await until_shown(bob, closed.id, contact="suspect")
        await until_shown(bob, silent.id, seconds=12, contact="suspect")
        for key in (killed, closed, silent):
            await until_shown(bob, key.id, seconds=GONE_SECONDS, contact="expired")
        for key in (killed, closed, silent):
            await watcher.until(lambda key=key: "expired" in watcher.reasons_of(key.id))
            assert watcher.reasons_of(key.id) == ["suspect", "expired"]
        explained = await bob.call("node.explain", node_id=killed.id)
        assert any("expired" in reason for reason in explained["reasons"])
        listed = await bob.call("nodes.list", filter={"eq": ["region", region]}, include="live")
        assert listed["total"] == 0
        await watcher.until(lambda: watcher.digests > 0, 30)  # they come at least every 30 s
        third.valve.open()  # it was not dead, and says so by answering pings
        await until_shown(bob, silent.id, contact="live", allocatable=True)


async def test_a_node_whose_client_comes_back_in_time_is_live_again(
    three: list[RegistryProcess], bob: RawClient, region: str
) -> None:
    key = Key()
    async with connect(three[0].rpc) as client:
        await client.register(key, attributes(region))
        await client.call("node.drain", level="cordoned")
        await client.abort()
    await until_shown(bob, key.id, contact="suspect", state="cordoned")
    async with connect(three[0].rpc) as client:
        await client.authenticate(key)
        await client.call("node.renew", **client.proof(key))
        await until_shown(bob, key.id, contact="live", state="cordoned")
