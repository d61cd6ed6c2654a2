"""JSON-RPC 2.0 over one websocket: calls, batches, notifications both ways. It knows no method by name.

One task reads and hands out answers at once, so the websocket is never full and its pings are always answered; one
task writes; one sees to it that a registry which fell silent is noticed."""

from __future__ import annotations

import itertools
import math
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import msgspec
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection
from wsproto.utilities import LocalProtocolError

from p2preg.base.limits import CLIENT_CALLS_MAX, CLIENT_FRAMES_QUEUED_MAX
from p2preg.client.config import DEFAULT, ClientConfig
from p2preg.client.errors import CallTimeout, CannotConnect, ClientError, ConnectionLost, RpcError
from p2preg.client.nursery import open_flat_nursery
from p2preg.client.websocket import Target, WatchedStream, open_websocket, parse_url

CANCELLED_CLOSE_SECONDS = 0.1  # for the close frame; who reads the answer has been cancelled as well
_GARBAGE = "what answered there does not speak websocket: is this the URL of a registry?"

Handler = Callable[[Any], None]


@dataclass(slots=True, eq=False)
class _Call:
    """One call under way. `on_result` runs in the reader, before anything that came after the answer is looked at."""

    number: int
    on_result: Handler | None = None
    result: Any = None
    error: ClientError | None = None
    done: trio.Event = field(default_factory=trio.Event)

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class Connection:
    """A websocket to one registry; `connect` makes one. Many tasks may call at once: calls are pipelined."""

    def __init__(self, target: Target, config: ClientConfig) -> None:
        self.target = target
        self.lost: ConnectionLost | None = None
        self._config = config
        self._numbers = itertools.count(1)
        self._calls: dict[int, _Call] = {}
        self._in_flight = trio.Semaphore(CLIENT_CALLS_MAX)
        self._handlers: dict[str, Handler] = {}
        self._outbox, self._frames = trio.open_memory_channel[str](CLIENT_FRAMES_QUEUED_MAX)
        self._ended = trio.Event()

    def __repr__(self) -> str:
        return f"Connection[{self.target.url} {'lost' if self.lost else 'open'}]"

    # --- for callers ----------------------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        params: Any = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the call has to be forgotten when its time is over
        on_result: Handler | None = None,
    ) -> Any:
        """The result of `method`. Raises `RpcError` as the registry refused, `CallTimeout`, or `ConnectionLost`."""
        call = self._begin(on_result)
        request = _request(method, params, call.number)
        await self._exchange([call], request, timeout, method)
        return call.outcome()

    async def batch(
        self,
        calls: Sequence[tuple[str, Any]],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # as for `call`
    ) -> list[Any]:
        """Several (method, params) in one message, at most `limits.batch` of the registry's hello. Per call its result,
        or its `RpcError` as a value."""
        if not calls:
            return []
        begun = [self._begin(None) for _ in calls]
        requests = [_request(method, params, call.number) for (method, params), call in zip(calls, begun, strict=True)]
        await self._exchange(begun, requests, timeout, f"a batch of {len(calls)}")
        return [call.error if isinstance(call.error, RpcError) else call.outcome() for call in begun]

    async def notify(self, method: str, params: Any = None) -> None:
        """Send without wanting an answer."""
        await self._send(_request(method, params, None))

    def on(self, method: str, handler: Handler) -> None:
        """Call `handler(params)` for each notification of that name. It runs in the reader and must not wait."""
        self._handlers[method] = handler

    async def wait_lost(self) -> ConnectionLost:
        """Until the websocket has ended; why."""
        await self._ended.wait()
        return self._why()

    # --- calls ----------------------------------------------------------------------------------------------------

    def _begin(self, on_result: Handler | None) -> _Call:
        call = _Call(next(self._numbers), on_result)
        self._calls[call.number] = call
        return call

    async def _exchange(self, calls: list[_Call], request: Any, seconds: float | None, what: str) -> None:
        """Send, and wait until every call is settled."""
        limit = self._config.call if seconds is None else seconds
        try:
            with trio.fail_after(limit):
                async with self._in_flight:
                    await self._send(request)
                    for call in calls:
                        await call.done.wait()
        except trio.TooSlowError:
            raise CallTimeout(f"{what}: no answer from {self.target.url} within {limit:g} s") from None
        finally:
            for call in calls:
                self._calls.pop(call.number, None)

    async def _send(self, request: Any) -> None:
        try:
            await self._outbox.send(msgspec.json.encode(request).decode())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._why() from None

    # --- tasks ----------------------------------------------------------------------------------------------------

    async def run(
        self, tls: ssl.SSLContext | None, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Open, serve until it ends, say goodbye. Started once open; raises only before that."""
        opened = False
        ended: ClientError = ConnectionLost(f"{self.target.url}: closed by this side")
        try:
            async with trio.open_nursery() as machinery:
                websocket, stream = await open_websocket(machinery, self.target, tls, self._config.connect)
                opened = True
                task_status.started()
                try:
                    await self._serve(websocket, stream)
                finally:
                    await self._part(websocket, stream)
                    machinery.cancel_scope.cancel()
        except* ClientError as group:
            ended = _first(group)
        except* HandshakeError as group:
            ended = CannotConnect(f"{self.target.url}: {_refusal(_first(group))}")
        except* (ConnectionClosed, LocalProtocolError, h11.ProtocolError) as group:
            ended = self._closed(_first(group)) if opened else CannotConnect(f"{self.target.url}: {_GARBAGE}")
        finally:
            self._lose(ended)
        if not opened:
            raise ended

    async def _serve(self, websocket: WebSocketConnection, stream: WatchedStream) -> None:
        async with trio.open_nursery() as tasks:
            tasks.start_soon(self._read, websocket)
            tasks.start_soon(self._keep_alive, websocket, stream)
            await self._write(websocket)
            tasks.cancel_scope.cancel()

    async def _part(self, websocket: WebSocketConnection, stream: WatchedStream) -> None:
        """The close handshake within its deadline, and the socket in any case."""
        cancelled = trio.current_effective_deadline() == -math.inf
        seconds = CANCELLED_CLOSE_SECONDS if cancelled else self._config.close
        with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds):
            await websocket.aclose()
        await trio.aclose_forcefully(stream)

    async def aclose(self) -> None:
        """Send what waits to be sent, and say goodbye, within a short deadline."""
        self._outbox.close()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._config.close):
            await self._ended.wait()

    async def _read(self, websocket: WebSocketConnection) -> None:
        while True:
            text = await websocket.get_message()
            try:
                message = msgspec.json.decode(text)
            except msgspec.DecodeError:
                raise ConnectionLost(f"{self.target.url}: JSON was expected, got {text[:40]!r}") from None
            for item in message if isinstance(message, list) else [message]:
                self._take(item)

    def _take(self, message: Any) -> None:
        """An answer, or a notification. What is neither, or for nobody, is passed over, as later releases may say
        more; so is an answer that came too late."""
        if not isinstance(message, dict):
            return
        method = message.get("method")
        if isinstance(method, str):
            if method in self._handlers:
                self._handlers[method](message.get("params"))
            return
        call = self._calls.pop(message["id"], None) if type(message.get("id")) is int else None
        if call is None:
            return
        if "error" in message:
            call.error = _rpc_error(message["error"])
        else:
            call.result = message.get("result")
            if call.on_result is not None:
                call.on_result(call.result)
        call.done.set()

    async def _write(self, websocket: WebSocketConnection) -> None:
        async for text in self._frames:
            with trio.move_on_after(self._config.send) as sending:
                await websocket.send_message(text)
            if sending.cancelled_caught:
                raise ConnectionLost(f"{self.target.url}: a message was not taken within {self._config.send:g} s")

    async def _keep_alive(self, websocket: WebSocketConnection, stream: WatchedStream) -> None:
        while True:
            await trio.sleep(self._config.ping)
            with trio.move_on_at(stream.heard_at + self._config.silent):
                await websocket.ping()
            if trio.current_time() >= stream.heard_at + self._config.silent:
                raise ConnectionLost(f"{self.target.url}: silent for {self._config.silent:g} s")

    def _closed(self, error: Exception) -> ConnectionLost:
        reason = error.reason if isinstance(error, ConnectionClosed) else None
        if reason is None or reason.code == 1006:  # what trio-websocket says when no close frame came
            return ConnectionLost(f"{self.target.url}: the connection broke")
        said = f" ({reason.reason})" if reason.reason else ""
        return ConnectionLost(f"{self.target.url}: closed by the registry with {reason.code}{said}", reason.code)

    def _lose(self, error: ClientError) -> None:
        self.lost = error if isinstance(error, ConnectionLost) else ConnectionLost(str(error))
        self._frames.close()
        for call in self._calls.values():
            call.error = self._why()
            call.done.set()
        self._calls.clear()
        self._ended.set()

    def _why(self) -> ConnectionLost:
        """Why it was lost: a new exception for each who raises it."""
        if self.lost is None:
            return ConnectionLost(f"{self.target.url}: closed by this side")
        return ConnectionLost(str(self.lost), self.lost.code)


@asynccontextmanager
async def connect(
    url: str, *, tls: ssl.SSLContext | None = None, config: ClientConfig = DEFAULT
) -> AsyncIterator[Connection]:
    """A connection to the registry at `url` (ws:// or wss://), closed at the end of the block.

    `tls`: whom to trust, for wss; by default the system's certificate authorities. Raises `CannotConnect`. When the
    connection is lost inside the block, calls raise `ConnectionLost`; the block itself is not interrupted.
    """
    connection = Connection(parse_url(url), config)
    async with open_flat_nursery() as nursery:
        await nursery.start(connection.run, tls)
        try:
            yield connection
        finally:
            await connection.aclose()
            nursery.cancel_scope.cancel()


def _request(method: str, params: Any, number: int | None) -> dict[str, Any]:
    request: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        request["id"] = number
    if params is not None:
        request["params"] = params
    return request


def _rpc_error(error: Any) -> RpcError:
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        return RpcError(-32603, "the registry answered with an error that is none of JSON-RPC")
    return RpcError(error["code"], str(error.get("message", "")), error.get("data"))


def _first(group: BaseExceptionGroup[Any]) -> Any:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _refusal(error: HandshakeError) -> str:
    if isinstance(error, ConnectionRejected):
        return f"the server answered the upgrade with HTTP {error.status_code}: is this the URL of a registry?"
    return str(error)
