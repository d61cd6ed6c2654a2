"""JSON-RPC 2.0 as its specification says it, examples included, over the websocket of a running registry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from raw_client import RawClient, connect
from registry_process import RegistryProcess

METHODS = {
    "rpc.discover", "rpc.ping", "session.hello", "session.authenticate", "node.register", "node.renew", "node.load",
    "node.drain", "node.resume", "node.leave", "node.explain", "nodes.get", "nodes.list", "nodes.select",
    "nodes.facets", "nodes.subscribe", "nodes.unsubscribe", "qos.report", "qos.get", "qos.explain", "registry.info",
    "registry.peers", "registry.lookup",
}  # fmt: skip
PING = {"jsonrpc": "2.0", "id": "alive", "method": "rpc.ping"}
NOBODY = "00" * 32


async def says_nothing(client: RawClient, message: Any) -> None:
    """Send what wants no answer: the next thing that comes answers the ping after it."""
    await client.send(message)
    assert (await client.ask(PING))["id"] == "alive"


def code(answer: Any) -> int:
    assert answer["jsonrpc"] == "2.0"
    assert "result" not in answer
    assert isinstance(answer["error"]["message"], str)
    number: int = answer["error"]["code"]
    return number


# --- the examples of the specification, with methods that there are -----------------------------------------------


async def test_a_call_with_positional_params_is_answered(alice: RawClient) -> None:
    answer = await alice.ask({"jsonrpc": "2.0", "method": "nodes.get", "params": [[NOBODY], ["state"]], "id": 1})
    assert answer["result"]["missing"] == [NOBODY]
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 1)


async def test_a_call_with_named_params_is_answered_in_whatever_order_they_come(alice: RawClient) -> None:
    for params in ('{"node_ids":[],"fields":["state"]}', '{"fields":["state"],"node_ids":[]}'):
        answer = await alice.ask('{"jsonrpc":"2.0","method":"nodes.get","params":' + params + ',"id":3}')
        assert (answer["id"], answer["result"]["nodes"]) == (3, [])


async def test_a_call_without_params_is_answered(alice: RawClient) -> None:
    for params in ({}, {"params": {}}, {"params": []}):
        assert "time_ms" in (await alice.ask({**PING, **params}))["result"]


@pytest.mark.parametrize(
    "notification",
    [
        {"jsonrpc": "2.0", "method": "update", "params": [1, 2, 3, 4, 5]},
        {"jsonrpc": "2.0", "method": "foobar"},
        {"jsonrpc": "2.0", "method": "rpc.ping"},
        {"jsonrpc": "2.0", "method": "nodes.get", "params": {"unknown": 1}},
        {"jsonrpc": "2.0", "method": "node.load", "params": {"load": 1}},
    ],
)
async def test_a_notification_is_never_answered_not_even_with_an_error(
    alice: RawClient, notification: dict[str, Any]
) -> None:
    await says_nothing(alice, notification)


async def test_the_document_takes_no_params_and_says_which_one_is_too_many(alice: RawClient) -> None:
    answer = await alice.ask({"jsonrpc": "2.0", "method": "rpc.discover", "params": {"depth": 1}, "id": 1})
    assert (code(answer), answer["error"]["data"]["path"]) == (-32602, "$.depth")


async def test_a_method_that_does_not_exist_is_named_with_the_calls_id(alice: RawClient) -> None:
    answer = await alice.ask({"jsonrpc": "2.0", "method": "foobar", "id": "1"})
    assert (code(answer), answer["id"]) == (-32601, "1")


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"',
        "",
        "{",
        "NaN",
        '{"jsonrpc":"2.0","method":"rpc.ping","id":1}{}',
        "[" * 100_000,
        '{"a":' * 30_000,
        '{"jsonrpc":"2.0","method":"rpc.ping","id":"\\ud800"}',
    ],
    ids=lambda text: text[:20],
)
async def test_text_that_is_no_json_is_a_parse_error_without_an_id(alice: RawClient, text: str) -> None:
    answer = await alice.ask(text)
    assert (code(answer), answer["id"]) == (-32700, None)
    assert "result" in await alice.ask(PING)


@pytest.mark.parametrize(
    "request_object",
    [
        {"jsonrpc": "2.0", "method": 1, "params": "bar"},
        {"jsonrpc": "2.0", "method": 1, "params": {}},
        {"jsonrpc": "2.0", "method": "rpc.ping", "params": "bar"},
        {"jsonrpc": "2.0", "method": "rpc.ping", "params": 1},
        {"jsonrpc": "2.0"},
        {"jsonrpc": "1.0", "method": "rpc.ping"},
        {"method": "rpc.ping"},
        {},
        1,
        "rpc.ping",
        None,
        True,
    ],
    ids=str,
)
async def test_what_is_no_request_object_is_an_invalid_request(alice: RawClient, request_object: Any) -> None:
    answer = await alice.ask(json.dumps(request_object))
    assert (code(answer), answer["id"]) == (-32600, None)


async def test_an_invalid_request_whose_id_can_be_read_is_answered_with_it(alice: RawClient) -> None:
    answer = await alice.ask({"jsonrpc": "2.0", "method": 1, "id": "mine"})
    assert (code(answer), answer["id"]) == (-32600, "mine")


async def test_an_empty_batch_is_one_invalid_request(alice: RawClient) -> None:
    answer = await alice.ask("[]")
    assert (code(answer), answer["id"]) == (-32600, None)


async def test_a_batch_of_numbers_is_one_invalid_request_each(alice: RawClient) -> None:
    assert [code(answer) for answer in await alice.ask("[1]")] == [-32600]
    assert [code(answer) for answer in await alice.ask("[1,2,3]")] == [-32600] * 3


async def test_a_mixed_batch_is_answered_by_one_array_with_everything_but_the_notifications(alice: RawClient) -> None:
    answers = await alice.ask(
        [
            {"jsonrpc": "2.0", "method": "rpc.ping", "id": "1"},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
            {"jsonrpc": "2.0", "method": "nodes.facets", "params": [["region"]], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "nodes.get", "params": [[]], "id": "9"},
        ]
    )
    by_id = {answer["id"]: answer for answer in answers}
    assert len(answers) == 5
    assert {"1", "2", "9"} == {identity for identity, answer in by_id.items() if "result" in answer}
    assert (code(by_id[None]), code(by_id["5"])) == (-32600, -32601)


async def test_a_batch_of_notifications_is_not_answered(alice: RawClient) -> None:
    await says_nothing(
        alice,
        [
            {"jsonrpc": "2.0", "method": "notify_sum", "params": [1, 2, 4]},
            {"jsonrpc": "2.0", "method": "rpc.ping"},
        ],
    )


# --- ids ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", ["", "ü\u2028\0", "x" * 10_000, 0, -7, 1.5, 2**53, 2**63, -(2**63), None])
async def test_an_id_comes_back_as_it_was_given(alice: RawClient, identity: Any) -> None:
    answer = await alice.ask({**PING, "id": identity})
    assert answer["id"] == identity
    assert type(answer["id"]) is type(identity)
    assert "time_ms" in answer["result"]


@pytest.mark.parametrize("identity", [True, [], {}, [1], {"a": 1}])
async def test_an_id_that_is_neither_text_nor_number_nor_null_is_invalid(alice: RawClient, identity: Any) -> None:
    answer = await alice.ask({**PING, "id": identity})
    assert (code(answer), answer["id"]) == (-32600, None)


# --- params -------------------------------------------------------------------------------------------------------


async def test_an_unknown_param_is_an_error_that_names_it(alice: RawClient) -> None:
    for method, params, path in (
        ("rpc.ping", {"pong": 1}, "$.pong"),
        ("nodes.list", {"limits": 1}, "$.limits"),
        ("nodes.select", {"near": {"latitude": 1, "longitude": 1, "altitude": 1}}, "$.near.altitude"),
    ):
        error = await alice.refused(method, **params)
        assert (error.code, error.data["path"]) == (-32602, path)
        assert error.reason
        assert path.rpartition(".")[2] in str(error)


async def test_a_param_of_the_wrong_type_or_out_of_bounds_is_an_error_with_its_path(alice: RawClient) -> None:
    for method, params, path in (
        ("nodes.list", {"limit": "10"}, "$.limit"),
        ("nodes.list", {"limit": 0}, "$.limit"),
        ("nodes.list", {"limit": 1001}, "$.limit"),
        ("nodes.list", {"include": "everything"}, "$.include"),
        ("nodes.list", {"sort": [["region"]]}, "$.sort[0]"),
        ("nodes.list", {"sort": [["region", "asc"]] * 4}, "$.sort"),
        ("nodes.get", {"node_ids": [NOBODY.replace("0", "G")]}, "$.node_ids[0]"),
        ("nodes.get", {"node_ids": [NOBODY] * 1001}, "$.node_ids"),
        ("nodes.select", {"count": 101}, "$.count"),
        ("nodes.select", {"policy": "best"}, "$.policy"),
        ("nodes.subscribe", {"max_rate_ms": 60_001}, "$.max_rate_ms"),
        ("registry.lookup", {"target": "00"}, "$.target"),
        ("qos.get", {"node_id": NOBODY, "window_s": 59}, "$.window_s"),
    ):
        error = await alice.refused(method, **params)
        assert (error.code, error.data["path"]) == (-32602, path), method
        assert error.reason


async def test_a_missing_param_and_too_many_positional_ones_are_errors(alice: RawClient) -> None:
    assert (await alice.refused("nodes.get")).code == -32602
    assert (await alice.refused("registry.lookup")).code == -32602
    answer = await alice.ask({"jsonrpc": "2.0", "id": 1, "method": "nodes.get", "params": [[], [], 1]})
    assert code(answer) == -32602


async def test_the_checks_run_in_order_method_then_session_then_params(alice: RawClient) -> None:
    assert (await alice.refused("node.nothing", bad=1)).code == -32601
    for method in ("node.register", "node.renew", "node.load", "node.drain", "node.resume", "node.leave", "qos.report"):
        error = await alice.refused(method, bad=1)
        assert (error.code, error.reason) == (-32001, "auth.required"), method
    assert (await alice.refused("nodes.list", filter={"eq": []}, bad=1)).code == -32602


# --- sizes and floods ---------------------------------------------------------------------------------------------


async def test_a_message_up_to_the_announced_limit_is_read_and_a_larger_one_closes_with_1009(
    three: list[RegistryProcess],
) -> None:
    async with connect(three[0].rpc) as client:
        limit = (await client.greet())["limits"]["message_bytes"]
        ping = json.dumps(PING)
        assert "result" in await client.ask(ping + " " * (limit - len(ping)))
        await client.send(ping + " " * (limit + 1 - len(ping)))
        assert await client.until_closed() == 1009


async def test_a_batch_longer_than_the_announced_limit_is_one_invalid_request(alice: RawClient) -> None:
    limit = (await alice.greet())["limits"]["batch"]
    ping = {"jsonrpc": "2.0", "method": "rpc.ping", "id": 1}
    assert len(await alice.ask([ping] * limit)) == limit
    assert code(await alice.ask([ping] * (limit + 1))) == -32600


async def test_binary_frames_are_answered_and_garbage_in_them_is_a_parse_error(alice: RawClient) -> None:
    for garbage in (b"", b"\xff\xfe\x00", b"\x00" * 1000):
        assert code(await alice.ask(garbage)) == -32700
    assert "result" in await alice.ask(PING)


async def test_a_text_frame_that_is_not_utf_8_costs_its_own_session_only(
    three: list[RegistryProcess], alice: RawClient
) -> None:
    async with connect(three[0].rpc) as client:
        await client.send_raw(bytes.fromhex("8183") + bytes(4) + b"\xff\xfe\xfd")
        await client.until_closed()
    assert "result" in await alice.ask(PING)


async def test_malformed_messages_are_answered_until_there_are_a_thousand_and_then_it_is_1008(
    three: list[RegistryProcess],
) -> None:
    async with connect(three[0].rpc) as client:
        for _ in range(999):
            await client.send("nonsense")
        await client.until(lambda: len(client.texts) == 999)
        assert {code(json.loads(text)) for text in client.texts} == {-32700}
        assert "result" in await client.ask(PING)
        await client.send("nonsense")
        assert await client.until_closed() == 1008


async def test_more_calls_than_may_be_in_flight_are_held_back_and_not_refused(alice: RawClient) -> None:
    limit = (await alice.greet())["limits"]["in_flight"]
    calls = [await alice.begin("nodes.list", limit=1) for _ in range(2 * limit)]
    for call in calls:
        assert "nodes" in await alice.finish(call)


# --- the document -------------------------------------------------------------------------------------------------


async def test_discover_returns_an_openrpc_document_of_all_methods_with_schemas(alice: RawClient) -> None:
    document = await alice.call("rpc.discover")
    assert document["openrpc"].startswith("1.3")
    assert document["info"]["title"]
    assert document["info"]["version"]
    methods = {method["name"]: method for method in document["methods"]}
    assert set(methods) >= METHODS
    for method in methods.values():
        assert all(param["name"] and "schema" in param for param in method["params"])
    names = {param["name"] for param in methods["nodes.select"]["params"]}
    assert names >= {"filter", "count", "policy", "near", "exclude", "spread_by", "relax", "seed"}
    dangling = [reference for reference in _references(document) if not _resolves(document, reference)]
    assert dangling == []


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for inner in value.values() for reference in _references(inner)]
    return [reference for inner in value for reference in _references(inner)] if isinstance(value, list) else []


def _resolves(document: Any, reference: str) -> bool:
    at = document
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(at, dict) or part not in at:
            return False
        at = at[part]
    return True
