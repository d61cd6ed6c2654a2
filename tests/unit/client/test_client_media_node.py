"""A Media Node against scripted registries: where it registers, how it stays, and when it moves."""

from typing import Any

import pytest
import trio
import trio.testing
from client_node import ATTRIBUTES, BOB, attached, kinds, make_node, refuse, sees
from client_registry import FRESH, FakeRegistry, Visitor, running

from p2preg.base.errors import ConfigError
from p2preg.client import Displaced, MediaNode, NotRunning, RpcError
from p2preg.client.proving import unix_ms

# --- registering --------------------------------------------------------------------------------------------------


async def test_a_node_authenticates_registers_and_leaves_at_the_end(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        async with attached(alice) as (node, events):
            assert (node.registry_id, node.url, node.state) == (alice.registry_id, alice.url, "serving")
        assert alice.methods == ["session.hello", "session.authenticate", "node.register", "node.leave"]
    assert kinds(events) == ["connecting", "created", "left"]
    assert (node.attached, node.state) == (False, "stopped")


async def test_a_signed_node_gives_an_advert_and_a_plain_one_its_attributes(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        async with attached(alice, starting=True):
            assert set(await alice.wait_call("node.register")) == {"node_id", "advert", "state"}
        async with attached(alice, signed=False):
            assert (await alice.wait_call("node.register", 2))["attributes"] == ATTRIBUTES


async def test_registries_are_tried_in_order(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol):
        alice.stop()
        async with attached(alice, carol) as (node, events):
            assert node.registry_id == carol.registry_id
    assert kinds(events)[:3] == ["connecting", "unreachable", "connecting"]


async def test_registries_that_a_registry_tells_of_are_tried_after_those_given(clock: object) -> None:
    carol = FakeRegistry("carol")
    alice = FakeRegistry("alice", peers=[carol])
    async with running(alice, carol), attached(alice) as (node, _):
        alice.stop()
        await carol.wait_call("node.renew")
        await node.wait_attached()
        assert node.registry_id == carol.registry_id


async def test_a_registry_alone_is_dialled_again_after_a_pause(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice), attached(alice) as (_, events):
        await alice.visitors[0].websocket.aclose(1013)
        await alice.wait_call("node.renew")
    assert kinds(events)[:4] == ["connecting", "created", "lost", "connecting"]


async def test_after_a_failover_the_first_call_is_a_renewal(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol), attached(alice, carol):
        alice.stop()
        renewal = await carol.wait_call("node.renew")
        assert carol.methods == ["session.hello", "session.authenticate", "node.renew"]
        [visitor] = carol.visitors
        assert carol.proof_holds(visitor, renewal["node_id"], renewal["seq"], renewal["signature"])
        assert renewal["seq"] > visitor.logins[0]["seq"] > alice.visitors[0].logins[0]["seq"]


async def test_where_it_is_unknown_a_node_registers_again(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    carol.handlers["node.renew"] = refuse(-32002, "node.unknown")
    async with running(alice, carol), attached(alice, carol, signed=False):
        alice.stop()
        await carol.wait_call("node.register")
        assert carol.methods[-2:] == ["node.renew", "node.register"]


async def test_an_advert_with_too_small_a_seq_is_issued_again_above_it(clock: object) -> None:
    alice = FakeRegistry("alice")
    above = unix_ms() + 60_000
    once = refuse(-32003, "cell.stale", times=1, current_seq=above)
    alice.handlers["node.register"] = lambda params, visitor: once(params, visitor, alice.on_node_register)
    async with running(alice), attached(alice):
        first, second = await alice.wait_call("node.register"), await alice.wait_call("node.register", 2)
        assert first["advert"] != second["advert"]


async def test_a_description_that_no_registry_would_take_ends_the_node(clock: object) -> None:
    alice = FakeRegistry("alice")
    alice.handlers["node.register"] = refuse(-32602, "params.invalid")
    async with running(alice):
        node, events = make_node(alice)
        with pytest.raises(RpcError, match=r"params\.invalid"):
            await node.run()
        assert kinds(events) == ["connecting", "refused"]
        with pytest.raises(NotRunning):
            await node.wait_attached()


async def test_what_ended_a_node_comes_out_of_its_block(clock: object) -> None:
    alice = FakeRegistry("alice")
    alice.handlers["node.register"] = refuse(-32602, "params.invalid")
    async with running(alice):
        with pytest.raises(RpcError, match=r"params\.invalid"):
            async with make_node(alice)[0] as node:
                await node.wait_attached()


async def test_a_registry_that_has_no_room_is_passed_over(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    alice.handlers["node.register"] = refuse(-32005, "limit.quota")
    async with running(alice, carol), attached(alice, carol) as (node, events):
        assert node.registry_id == carol.registry_id
    assert "refused" in kinds(events)


async def test_a_registry_of_another_network_is_no_home(clock: object) -> None:
    alice, mallory, carol = FakeRegistry("alice"), FakeRegistry("mallory"), FakeRegistry("carol")
    mallory.network = "other-0123456789abcdef"
    async with running(alice, mallory, carol), attached(alice, mallory, carol):
        alice.stop()
        await carol.wait_call("node.renew")
        assert mallory.methods == ["session.hello"]


def test_a_node_without_a_registry_or_a_description_cannot_be() -> None:
    with pytest.raises(ConfigError, match="at least one registry"):
        MediaNode(BOB, ATTRIBUTES, registries=[])
    with pytest.raises(ConfigError, match="kind is needed"):
        MediaNode(BOB, {}, registries=["ws://127.0.0.1:1/"], signed=False)


# --- staying ------------------------------------------------------------------------------------------------------


async def test_the_lease_is_renewed_when_the_registry_said_so(clock: trio.testing.MockClock) -> None:
    alice = FakeRegistry("alice")
    began = trio.current_time()
    async with running(alice), attached(alice) as (_, events):
        await alice.wait_call("node.renew")
        assert 60.0 <= trio.current_time() - began < 65.0
    assert "renewed" in kinds(events)


async def test_a_home_that_asks_for_proof_gets_it_at_once(clock: object) -> None:
    alice = FakeRegistry("alice")
    began = trio.current_time()
    async with running(alice), attached(alice) as (node, _):
        await alice.visitors[0].notify("node.notice", {"node_id": node.node_id, "reason": "prove", "registries": []})
        await alice.wait_call("node.renew")
        assert trio.current_time() - began < 50.0


async def test_a_refused_renewal_is_tried_again(clock: object) -> None:
    alice = FakeRegistry("alice")
    once = refuse(-32006, "registry.overloaded", times=1)
    alice.handlers["node.renew"] = lambda params, visitor: once(params, visitor, alice.on_node_renew)
    async with running(alice), attached(alice) as (_, events):
        await alice.wait_call("node.renew", 2)
    assert kinds(events) == ["connecting", "created", "refused", "renewed", "left"]


async def test_an_advert_past_half_its_life_is_replaced_with_the_lease(clock: object) -> None:
    alice = FakeRegistry("alice")

    def nearly_over(params: Any, visitor: Visitor) -> Any:
        return alice.on_node_register(params, visitor) | {"advert_expires_ms": unix_ms() - 1}

    alice.handlers["node.register"] = nearly_over
    async with running(alice), attached(alice):
        first = await alice.wait_call("node.register")
        assert (await alice.wait_call("node.register", 2))["advert"] != first["advert"]
        assert "node.renew" not in alice.methods


async def test_a_notice_about_somebody_else_or_of_an_unknown_kind_changes_nothing(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice), attached(alice) as (node, _):
        notify = alice.visitors[0].notify
        await notify("node.notice", {"node_id": "00" * 32, "reason": "displaced", "registries": []})
        await notify("node.notice", {"node_id": node.node_id, "reason": "birthday"})
        await notify("node.notice", ["garbage"])
        await alice.wait_call("node.renew")
        assert node.registry_id == alice.registry_id


# --- moving -------------------------------------------------------------------------------------------------------


async def test_a_node_moves_when_its_home_is_about_to_stop(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol), attached(alice) as (node, events):
        notice = {
            "node_id": node.node_id,
            "reason": "stopping",
            "registries": [
                {"registry_id": carol.registry_id, "rpc": carol.url},
                {"registry_id": "x", "rpc": "nonsense"},
            ],
        }
        await alice.visitors[0].notify("node.notice", notice)
        await carol.wait_call("node.renew")
        await node.wait_attached()
        assert node.registry_id == carol.registry_id
    assert kinds(events) == ["connecting", "created", "moving", "connecting", "renewed", "left"]


async def test_an_isolated_home_is_left_when_a_second_registry_does_not_see_the_node(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol), attached(alice, carol) as (node, events):
        carol.nodes = sees(node, alice)
        await carol.wait_call("nodes.get")
        carol.nodes = sees(node, alice, contact="unknown")
        notice = {"node_id": node.node_id, "reason": "isolated", "registries": []}
        await alice.visitors[0].notify("node.notice", notice)
        await carol.wait_call("node.renew")
    assert [kind for kind in kinds(events) if kind in ("isolated", "moving")] == ["isolated", "moving"]


async def test_after_registering_a_node_is_content_when_a_second_registry_sees_it(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol), attached(alice, carol) as (node, events):
        carol.nodes = sees(node, alice)
        await alice.wait_call("node.renew")
        assert carol.methods == ["nodes.get"]
    assert "confirmed" in kinds(events)


async def test_a_node_that_a_synced_registry_never_sees_moves_there(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol), attached(alice, carol) as (node, events):
        await carol.wait_call("node.renew")
        await node.wait_attached()
        assert node.registry_id == carol.registry_id
    assert "moving" in kinds(events)


async def test_what_a_registry_that_is_not_synced_does_not_see_means_nothing(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    carol.freshness = {**FRESH, "synced": False}
    async with running(alice, carol), attached(alice, carol) as (node, events):
        await alice.wait_call("node.renew")
        assert node.registry_id == alice.registry_id
    assert "unconfirmed" in kinds(events)


async def test_a_displaced_node_stops_and_says_why(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        node, events = make_node(alice)
        with pytest.raises(Displaced, match="another process uses its key"):
            async with node:
                await node.wait_attached()
                await alice.visitors[0].notify("node.notice", {"node_id": node.node_id, "reason": "displaced"})
                await trio.sleep_forever()
        assert "node.leave" not in alice.methods
    assert kinds(events) == ["connecting", "created", "displaced"]
