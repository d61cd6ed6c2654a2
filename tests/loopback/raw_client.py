"""A websocket client written from the contract alone: JSON and a websocket library, nothing of p2preg.

It can send what is wrong, stop reading, and vanish, as well as behave."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from handmade import ATTRIBUTES, Key, proof_bytes
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

PATIENCE = 15.0  # seconds until a test that waits in vain fails
LOOK_SECONDS = 0.05  # between looks at something that cannot tell by itself that it changed
FRAME_BYTES_MAX = 16 * 1024 * 1024


class RpcError(Exception):
    """The error object of a response."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(json.dumps(error))
        self.code: int = error["code"]
        self.data: dict[str, Any] = error.get("data") or {}
        self.reason: str | None = self.data.get("reason")


class Valve(trio.abc.Stream):
    """A stream whose reading side can be shut, so that a client seems to be frozen: it does not even answer pings."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._opened = trio.Event()
        self._sending = trio.Lock()  # a test's own octets, and what the library's reader answers
        self.open()

    def shut(self) -> None:
        self._opened = trio.Event()

    def open(self) -> None:
        self._opened.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._sending:
            await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        octets = await self.stream.receive_some(max_bytes)
        await self._opened.wait()
        return octets

    async def aclose(self) -> None:
        await self.stream.aclose()


class RawClient:
    """One websocket. A task takes everything off the socket at once, so pings are answered while a test waits."""

    def __init__(self, websocket: WebSocketConnection, valve: Valve, authority: str) -> None:
        self.authority = authority
        self.hello: dict[str, Any] = {}
        self.notifications: list[dict[str, Any]] = []
        self.texts: list[str] = []  # what came and answered none of `call`'s
        self.texts_after: list[int] = []  # how many notifications had come before each
        self.closed: tuple[int, str | None] | None = None
        self._websocket = websocket
        self.valve = valve
        self.notifications_before: dict[str, int] = {}  # call → how many had come when it was answered
        self._answers: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, None] = {}
        self._next = 1
        self._changed = trio.Event()

    async def take_all(self) -> None:
        """The reading task."""
        try:
            while True:
                self._sort(await self._websocket.get_message())
                self._change()
        except ConnectionClosed as closed:
            reason = closed.reason
            self.closed = (1006, None) if reason is None or isinstance(reason, str) else (reason.code, reason.reason)
            self._change()

    def _sort(self, text: str) -> None:
        message = json.loads(text)
        if isinstance(message, dict) and "method" in message:
            self.notifications.append(message)
        elif isinstance(message, dict) and isinstance(message.get("id"), str) and message["id"] in self._waiting:
            self._answers[message["id"]] = message
            self.notifications_before[message["id"]] = len(self.notifications)
        else:
            self.texts.append(text)
            self.texts_after.append(len(self.notifications))

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until `condition` holds, looking whenever something came."""
        with trio.fail_after(seconds):
            while not condition():
                assert self.closed is None, f"the registry closed the websocket: {self.closed}"
                await self._changed.wait()

    async def until_closed(self, seconds: float = PATIENCE) -> int:
        """Wait for the close frame; its code."""
        with trio.fail_after(seconds):
            while self.closed is None:
                await self._changed.wait()
        return self.closed[0]

    def notices(self, node_id: str) -> list[dict[str, Any]]:
        """What the registry told this session of a node."""
        told = [message["params"] for message in self.notifications if message["method"] == "node.notice"]
        return [notice for notice in told if notice["node_id"] == node_id]

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, message: str | bytes | Any) -> None:
        """Text and bytes as they are, everything else as JSON."""
        await self._websocket.send_message(message if isinstance(message, str | bytes) else json.dumps(message))

    async def send_raw(self, octets: bytes) -> None:
        """Octets beside the websocket library's back."""
        await self.valve.send_all(octets)

    async def ask(self, message: str | bytes | Any) -> Any:
        """Send, and take the next message that is neither a notification nor a call's answer."""
        before = len(self.texts)
        await self.send(message)
        await self.until(lambda: len(self.texts) > before)
        return json.loads(self.texts[before])

    async def begin(self, method: str, **params: Any) -> str:
        """Send a call; its id, for `finish`."""
        identity = f"call-{self._next}"
        self._next += 1
        self._waiting[identity] = None
        await self.send({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})
        return identity

    async def finish(self, identity: str, seconds: float = PATIENCE) -> Any:
        """The result of a call that was begun; raises `RpcError` for an error."""
        await self.until(lambda: identity in self._answers, seconds)
        del self._waiting[identity]
        answer = self._answers.pop(identity)
        assert answer["jsonrpc"] == "2.0"
        assert ("result" in answer) != ("error" in answer)
        if "error" in answer:
            assert isinstance(answer["error"]["message"], str)
            raise RpcError(answer["error"])
        return answer["result"]

    async def call(self, method: str, **params: Any) -> Any:
        return await self.finish(await self.begin(method, **params))

    async def refused(self, method: str, **params: Any) -> RpcError:
        """The error of a call that must fail."""
        try:
            result = await self.call(method, **params)
        except RpcError as error:
            return error
        raise AssertionError(f"{method} should have been refused, but answered {result}")

    async def close(self) -> None:
        """Leave with a close frame, as a well-behaved client."""
        await self._websocket.aclose()

    async def abort(self) -> None:
        """Vanish, as a killed process does: a TCP reset and no close frame."""
        self.valve.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self.valve)

    # --- sessions -------------------------------------------------------------------------------------------------

    async def greet(self, client_nonce: str | None = None) -> dict[str, Any]:
        """`session.hello`, with a nonce of ours."""
        self.hello = await self.call("session.hello", client_nonce=client_nonce or secrets.token_hex(32))
        return self.hello

    def login(self, key: Key, role: str = "node", **changes: Any) -> dict[str, Any]:
        """The params of `session.authenticate`. `changes`: authority, seq, prefix, or any param, instead of what they
        should be."""
        authority = changes.pop("authority", self.authority)
        seq = changes.pop("seq", None) or key.next_seq()
        prefix = changes.pop("prefix", b"p2preg-presence-1" if role == "node" else b"p2preg-auth-1")
        signature = key.sign(proof_bytes(self.hello, authority, seq, prefix=prefix)).hex()
        params = {"role": role, "public_key": key.id, "authority": authority, "seq": seq, "signature": signature}
        return params | changes

    async def authenticate(self, key: Key, role: str = "node", **changes: Any) -> dict[str, Any]:
        if not self.hello:
            await self.greet()
        result: dict[str, Any] = await self.call("session.authenticate", **self.login(key, role, **changes))
        return result

    def proof(self, key: Key, seq: int | None = None) -> dict[str, Any]:
        """The params of `node.renew`."""
        seq = seq or key.next_seq()
        return {"seq": seq, "signature": key.sign(proof_bytes(self.hello, self.authority, seq)).hex()}

    async def register(self, key: Key, attributes: Mapping[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        """Authenticate and register by plain attributes; the registration's result."""
        await self.authenticate(key)
        result: dict[str, Any] = await self.call(
            "node.register", node_id=key.id, attributes={**ATTRIBUTES, **(attributes or {})}, **params
        )
        return result


async def _dial(host: str, port: int, receive_buffer: int | None) -> trio.SocketStream:
    if receive_buffer is None:
        return await trio.open_tcp_stream(host.strip("[]"), port)
    found = trio.socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await found.connect((host, port))
    return trio.SocketStream(found)


@asynccontextmanager
async def connect(
    url: str,
    receive_buffer: int | None = None,
    headers: Sequence[tuple[str, str]] = (),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawClient]:
    """A client of the registry at `url`. `receive_buffer`: bytes that the kernel takes while nothing is read."""
    authority = url.partition("://")[2].rstrip("/")
    host, _, port = authority.rpartition(":")
    valve = Valve(await _dial(host, int(port), receive_buffer))
    stream = valve if tls is None else trio.SSLStream(valve, tls, server_hostname="localhost", https_compatible=True)
    finished = False
    try:
        async with trio.open_nursery() as nursery:
            websocket = await wrap_client_stream(
                nursery, stream, authority, "/",
                extra_headers=[(name.encode(), value.encode()) for name, value in headers],
                max_message_size=FRAME_BYTES_MAX,
            )  # fmt: skip
            client = RawClient(websocket, valve, authority)
            nursery.start_soon(client.take_all)
            yield client
            finished = True
            valve.open()
            with trio.move_on_after(1):
                await websocket.aclose()
            nursery.cancel_scope.cancel()
    except* ProtocolError:
        # A ping that comes while we close: the library's reader would answer it, which the protocol forbids.
        assert finished, "the websocket library gave up on what the registry sent"
    finally:
        await trio.aclose_forcefully(valve)


async def eventually(condition: Callable[[], Awaitable[Any]], what: str = "", seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true, and give it."""
    deadline = trio.current_time() + seconds
    while True:
        answer = await condition()
        if answer:
            return answer
        assert trio.current_time() < deadline, f"in vain for {seconds} s: {what}; last: {answer}"
        with trio.move_on_after(LOOK_SECONDS):
            await trio.sleep_forever()


async def shown(client: RawClient, node_id: str) -> dict[str, Any] | None:
    """The node as the client's registry shows it, or None."""
    nodes = (await client.call("nodes.get", node_ids=[node_id]))["nodes"]
    return nodes[0] if nodes else None


async def until_shown(client: RawClient, node_id: str, seconds: float = PATIENCE, **wanted: Any) -> dict[str, Any]:
    """The node, once the client's registry shows it with all that is wanted."""

    async def look() -> dict[str, Any] | None:
        node = await shown(client, node_id)
        return node if node is not None and all(node.get(name) == value for name, value in wanted.items()) else None

    node: dict[str, Any] = await eventually(look, f"{node_id[:8]} with {wanted}", seconds)
    return node
