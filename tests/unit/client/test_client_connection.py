"""The connection of the SDK against a real websocket on loopback: calls, batches, notifications, and every bad end."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from client_registry import PATIENT, FakeRegistry, Refusal, Silence, Visitor, running
from trio_websocket import wrap_server_stream

from p2preg.base.errors import ConfigError
from p2preg.base.limits import CLIENT_CALLS_MAX, CLIENT_FRAMES_QUEUED_MAX, CLIENT_MESSAGE_BYTES_MAX
from p2preg.client import CallTimeout, CannotConnect, ConnectionLost, RpcError, connect
from p2preg.client.config import ClientConfig
from p2preg.client.websocket import parse_url

HASTY = ClientConfig(connect=0.2, call=0.2, ping=0.05, silent=0.2, close=0.2)


async def test_a_call_returns_its_result_and_many_at_once_find_theirs() -> None:
    alice = FakeRegistry("alice")
    alice.handlers["echo"] = lambda params, visitor: params
    answers = {}
    async with running(alice), connect(alice.url) as connection:

        async def ask(number: int) -> None:
            answers[number] = await connection.call("echo", {"number": number})

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(ask, number)
    assert answers == {number: {"number": number} for number in range(50)}


async def test_a_refusal_is_an_error_with_code_reason_and_data() -> None:
    alice = FakeRegistry("alice")

    def refuse(params: Any, visitor: Visitor) -> None:
        raise Refusal(-32003, "cell.stale", current_seq=7)

    alice.handlers["node.register"] = refuse
    async with running(alice), connect(alice.url) as connection:
        with pytest.raises(RpcError) as caught:
            await connection.call("node.register", {})
    assert (caught.value.code, caught.value.reason, caught.value.data["current_seq"]) == (-32003, "cell.stale", 7)


async def test_a_batch_returns_results_and_errors_in_the_order_of_its_calls() -> None:
    alice = FakeRegistry("alice")

    def only_even(params: Any, visitor: Visitor) -> int:
        if params % 2:
            raise Refusal(-32602, "params.invalid")
        return int(params)

    alice.handlers["even"] = only_even
    async with running(alice), connect(alice.url) as connection:
        outcome = await connection.batch([("even", number) for number in range(4)])
    assert [each if isinstance(each, int) else each.reason for each in outcome] == [
        0, "params.invalid", 2, "params.invalid",
    ]  # fmt: skip
    assert alice.methods == ["even"] * 4


async def test_an_unanswered_call_is_given_up_and_the_connection_goes_on() -> None:
    alice = FakeRegistry("alice")

    def never(params: Any, visitor: Visitor) -> None:
        raise Silence

    alice.handlers["never"] = never
    async with running(alice), connect(alice.url) as connection:
        with pytest.raises(CallTimeout, match=r"never: no answer from ws://127\.0\.0\.1:\d+/ within 0\.05 s"):
            await connection.call("never", timeout=0.05)
        assert "time_ms" in await connection.call("rpc.ping")


async def test_a_notification_reaches_its_handler_and_comes_after_the_answer_that_announced_it() -> None:
    alice = FakeRegistry("alice")
    order: list[Any] = []

    async def serve(connection: Any) -> None:
        connection.on("news", order.append)
        await connection.call("subscribe", on_result=lambda result: order.append(result))

    def subscribe(params: Any, visitor: Visitor) -> str:
        return "subscribed"

    alice.handlers["subscribe"] = subscribe
    async with running(alice), connect(alice.url) as connection:
        await serve(connection)
        await alice.visitors[0].notify("news", "first")
        await alice.visitors[0].notify("unheard of", "ignored")
        await connection.call("rpc.ping")
    assert order == ["subscribed", "first"]


async def test_a_notification_to_the_registry_wants_no_answer() -> None:
    alice = FakeRegistry("alice")
    async with running(alice), connect(alice.url) as connection:
        await connection.notify("node.load", {"load": 0.5})
        assert await alice.wait_call("node.load") == {"load": 0.5}


async def test_calls_under_way_and_later_ones_tell_that_the_connection_was_lost() -> None:
    alice = FakeRegistry("alice")

    def die(params: Any, visitor: Visitor) -> None:
        alice.stop()
        raise Silence

    alice.handlers["die"] = die
    async with running(alice), connect(alice.url) as connection:
        with pytest.raises(ConnectionLost):
            await connection.call("die")
        with pytest.raises(ConnectionLost):
            await connection.call("rpc.ping")
        with trio.fail_after(PATIENT):
            assert "127.0.0.1" in str(await connection.wait_lost())


async def test_the_close_code_of_the_registry_is_told() -> None:
    alice = FakeRegistry("alice")
    async with running(alice), connect(alice.url) as connection:
        await connection.call("rpc.ping")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.visitors[0].websocket.aclose, 1013, "too much unread")
            lost = await connection.wait_lost()
    assert (lost.code, "1013 (too much unread)" in str(lost)) == (1013, True)


async def test_an_exception_comes_out_of_the_block_as_itself() -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        with pytest.raises(KeyError, match="mine"):
            async with connect(alice.url):
                raise KeyError("mine")


async def test_a_registry_that_sends_no_json_is_parted_from() -> None:
    alice = FakeRegistry("alice")
    async with running(alice), connect(alice.url) as connection:
        await connection.call("rpc.ping")
        await alice.visitors[0].websocket.send_message("{")
        with trio.fail_after(PATIENT):
            assert "JSON was expected" in str(await connection.wait_lost())


@pytest.mark.parametrize(
    "message",
    [[], 7, None, "x", {}, {"id": 99, "result": 1}, {"id": [1], "result": 1}, {"id": True, "error": 3}, {"method": {}}],
)
async def test_what_is_for_nobody_is_passed_over(message: Any) -> None:
    alice = FakeRegistry("alice")
    async with running(alice), connect(alice.url) as connection:
        await connection.call("rpc.ping")
        await alice.visitors[0].send(message)
        assert "time_ms" in await connection.call("rpc.ping")


# --- what is no registry ------------------------------------------------------------------------------------------


async def _meet(behave: Callable[[trio.SocketStream], Awaitable[None]]) -> str:
    """What `connect` says of a server that behaves so."""
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, behave, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        with trio.fail_after(PATIENT), pytest.raises(CannotConnect) as caught:
            async with connect(f"ws://127.0.0.1:{port}/", config=HASTY):
                pass
        nursery.cancel_scope.cancel()
    return str(caught.value)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    assert "no answer within 0.2 s" in await _meet(silent)


async def test_a_server_that_hangs_up_is_noticed_at_once() -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    assert "ended before it became a websocket" in await _meet(hang_up)


async def test_a_web_server_is_told_from_a_registry() -> None:
    async def serve_pages(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    assert "HTTP 404: is this the URL of a registry?" in await _meet(serve_pages)


async def test_garbage_is_no_websocket() -> None:
    async def babble(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"\x00\xff" * 100)
        await trio.sleep_forever()

    assert "does not speak websocket" in await _meet(babble)


async def test_a_port_where_nobody_listens_is_told_in_the_words_of_the_system() -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(CannotConnect, match="Connection refused"):
        async with connect(f"ws://127.0.0.1:{port}/"):
            pass


async def test_tls_with_a_server_that_has_none_cannot_connect() -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        with pytest.raises(CannotConnect):
            async with connect(alice.url.replace("ws:", "wss:"), tls=ssl.create_default_context(), config=HASTY):
                pass


@asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """The URL of a websocket that is never read: no pong, no answer."""

    async def freeze(stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as reader:
            request = await wrap_server_stream(reader, stream)
            await request.accept()
            reader.cancel_scope.cancel()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, freeze, 0, host="127.0.0.1"))
        yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


async def test_a_registry_that_falls_silent_is_lost() -> None:
    async with deaf() as url, connect(url, config=HASTY) as connection:
        with trio.fail_after(PATIENT):
            assert "silent for 0.2 s" in str(await connection.wait_lost())


# --- URLs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "authority", "dialled"),
    [
        ("ws://127.0.0.1:7480/", "127.0.0.1:7480", "ws://127.0.0.1:7480/"),
        ("ws://Registry.Example", "registry.example:80", "ws://registry.example:80/"),
        ("wss://registry.example/rpc?x=1", "registry.example:443", "wss://registry.example:443/rpc?x=1"),
        ("ws://[::1]:7480/", "[::1]:7480", "ws://[::1]:7480/"),
    ],
)
def test_the_authority_of_a_url_is_lower_case_with_its_port(url: str, authority: str, dialled: str) -> None:
    target = parse_url(url)
    assert (target.authority, target.url) == (authority, dialled)


@pytest.mark.parametrize(
    "url", ["", "foo", "http://a/", "ws://", "ws://a:0/", "ws://a:99999/", "ws://a:b/", "ws://u:p@a/", "ws://[::1/"]
)
def test_what_is_no_url_of_a_registry_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="ws://host:port/"):
        parse_url(url)


# --- caps ---------------------------------------------------------------------------------------------------------


async def test_calls_beyond_the_cap_wait_until_there_is_room() -> None:
    alice = FakeRegistry("alice")

    def never(params: Any, visitor: Visitor) -> None:
        raise Silence

    alice.handlers["never"] = never
    async with running(alice), connect(alice.url) as connection, trio.open_nursery() as nursery:
        for _ in range(CLIENT_CALLS_MAX + 3):
            nursery.start_soon(connection.call, "never")
        await alice.wait_call("never", CLIENT_CALLS_MAX)
        with trio.move_on_after(0.1):
            await connection.call("rpc.ping")
        assert alice.methods == ["never"] * CLIENT_CALLS_MAX
        nursery.cancel_scope.cancel()


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    alice = FakeRegistry("alice")
    async with running(alice), connect(alice.url) as connection:
        await connection.call("rpc.ping")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.visitors[0].notify, "news", "x" * CLIENT_MESSAGE_BYTES_MAX)
            with trio.fail_after(PATIENT):
                assert "1009" in str(await connection.wait_lost())
            nursery.cancel_scope.cancel()


async def test_messages_beyond_the_queue_wait_for_a_registry_that_does_not_read() -> None:
    sent = 0
    async with deaf() as url, connect(url, config=ClientConfig(close=0.1)) as connection:
        with trio.CancelScope() as full:
            while True:
                full.deadline = trio.current_time() + 0.3
                await connection.notify("news", "x" * 10_000)
                sent += 1
    # The system's buffers take some more, but never for ever.
    assert CLIENT_FRAMES_QUEUED_MAX <= sent < 4 * CLIENT_FRAMES_QUEUED_MAX
