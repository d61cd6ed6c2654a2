"""What the owner of a Media Node says: load, states, another description, goodbye; and that a new home hears of it."""

from typing import Any

import pytest
import trio
import trio.testing
from client_node import ATTRIBUTES, attached, kinds, make_node, refuse
from client_registry import PATIENT, FakeRegistry, Refusal, Silence, Visitor, running

from p2preg.client import RpcError


async def test_load_is_told_at_once_and_to_the_next_home_as_well(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol), attached(alice, carol) as (node, _):
        await node.set_load({"load": 0.25})
        assert (await alice.wait_call("node.load"))["load"] == 0.25
        alice.stop()
        assert await carol.wait_call("node.load") == alice.calls[-1][1]


async def test_load_that_was_set_before_there_was_a_home_is_told_to_the_first(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        node, _ = make_node(alice)
        await node.set_load({"load": 0.5})
        async with node:
            assert (await alice.wait_call("node.load"))["load"] == 0.5


async def test_a_load_that_is_refused_is_an_error_for_who_set_it_and_not_repeated(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    alice.handlers["node.load"] = refuse(-32602, "params.invalid")
    async with running(alice, carol), attached(alice, carol) as (node, _):
        with pytest.raises(RpcError, match=r"params\.invalid"):
            await node.set_load({"lod": 1})
        alice.stop()
        await carol.wait_call("node.renew")
        await node.wait_attached()
        assert "node.load" not in carol.methods


async def test_a_state_is_told_again_to_a_new_home_which_may_not_have_heard_of_it(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    async with running(alice, carol), attached(alice, carol) as (node, _):
        assert await node.drain("cordoned", reason="upgrade") == "cordoned"
        alice.stop()
        drained = await carol.wait_call("node.drain")
        assert drained == {"node_id": node.node_id, "level": "cordoned", "reason": "upgrade"}
        await node.wait_attached()
        assert await node.resume() == "serving"


async def test_stopping_is_told_to_a_new_home_by_way_of_draining(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")
    levels: list[str] = []

    def only_from_draining(params: Any, visitor: Visitor) -> Any:
        if params["level"] == "stopping" and levels[-1:] != ["draining"]:
            raise Refusal(-32002, "node.bad_transition")
        levels.append(params["level"])
        return {"state": params["level"]}

    carol.handlers["node.drain"] = only_from_draining
    async with running(alice, carol), attached(alice, carol) as (node, _):
        await node.drain()
        await node.drain("stopping")
        alice.stop()
        await carol.wait_for(lambda: levels == ["draining", "stopping"])


async def test_a_move_that_is_not_allowed_is_an_error_for_who_asked(clock: object) -> None:
    alice = FakeRegistry("alice")
    alice.handlers["node.drain"] = refuse(-32002, "node.bad_transition")
    async with running(alice), attached(alice) as (node, _):
        with pytest.raises(RpcError, match=r"node\.bad_transition"):
            await node.drain("stopping")
        assert node.state == "serving"


async def test_a_state_that_was_asked_for_while_the_home_went_away_reaches_the_next(clock: object) -> None:
    alice, carol = FakeRegistry("alice"), FakeRegistry("carol")

    def die(params: Any, visitor: Visitor) -> Any:
        alice.stop()
        return {}

    alice.handlers["node.drain"] = die
    async with running(alice, carol), attached(alice, carol) as (node, _):
        assert await node.drain() == "draining"
        assert node.registry_id == carol.registry_id


async def test_a_new_description_is_registered_at_once(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice), attached(alice, signed=False) as (node, _):
        await node.describe({**ATTRIBUTES, "region": "eu-west"})
        assert (await alice.wait_call("node.register", 2))["attributes"]["region"] == "eu-west"


async def test_leaving_ends_a_node_that_has_no_home(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        alice.stop()
        node, _ = make_node(alice)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.run)
            with trio.fail_after(PATIENT):
                await trio.testing.wait_all_tasks_blocked()
                await node.leave()


async def test_leaving_takes_no_longer_than_its_deadline(clock: object) -> None:
    alice = FakeRegistry("alice")

    def never(params: Any, visitor: Visitor) -> None:
        raise Silence

    alice.handlers["node.leave"] = never
    async with running(alice):
        began = trio.current_time()
        async with attached(alice) as (_, events):
            pass
        assert trio.current_time() - began < 6.0
    assert "left" not in kinds(events)
