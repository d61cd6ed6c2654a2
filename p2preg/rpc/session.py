"""One websocket client: what it sends goes to the core, what the core answers goes back, and nothing that it does, or
fails to do, reaches beyond it.

trio-websocket stops answering pings while its queue of one is full, so messages are taken out of it at once, into a
queue of ours that is bounded in bytes."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Protocol

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from p2preg.base.errors import Refused
from p2preg.registry import events
from p2preg.registry.limits import IN_FLIGHT_MAX, MESSAGE_BYTES_MAX
from p2preg.registry.methods import METHODS
from p2preg.registry.requests import read_params
from p2preg.rpc import jsonrpc, openrpc
from p2preg.rpc.calls import Batch, Calls
from p2preg.rpc.gathering import GatheringStream
from p2preg.rpc.outbox import Outbox, Outgoing

logger = logging.getLogger(__name__)

INBOUND_BYTES_MAX = 2 * MESSAGE_BYTES_MAX  # taken from the websocket, not yet looked at; then it is not read
BATCH_ANSWER_BYTES_MAX = 4_194_304  # gathered for one batch; what comes after in it is limit.quota
MALFORMED_MAX = 1_000  # such messages end a session (1008)
SEND_SECONDS = 20.0  # for one write; a client that has not taken it by then is gone
PING_SECONDS = 4.0  # between pings to a session that speaks for nodes
PING_IDLE_SECONDS = 20.0  # to others
SILENT_SECONDS = 10.0  # without any sign: the registry calls its nodes suspect
DEAD_SECONDS = 60.0  # without a pong: closed
CLOSE_SECONDS = 1.0  # for the close handshake

POLICY, OVERLOADED = 1008, 1013

_BATCH_TOO_LONG = Refused(
    -32005, "limit.quota", f"the answers to one batch have at most {BATCH_ANSWER_BYTES_MAX} bytes: ask in several"
)


class Core(Protocol):
    """The driver, as a session uses it."""

    def post(self, event: object) -> None: ...
    async def wait_ready(self) -> None: ...


class TooMuch(Exception):
    """The session ends itself: the code and reason of its close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class RpcSession:
    """Reader, dispatcher, writer and pinger of one websocket. `number` names it towards the core."""

    def __init__(
        self,
        number: int,
        websocket: WebSocketConnection,
        stream: GatheringStream,
        core: Core,
        address: str,
        outbox: Outbox,
    ) -> None:
        """`stream` is what `websocket` writes to."""
        self.number = number
        self.address = address
        self.outbox = outbox
        self._websocket = websocket
        self._stream = stream
        self._core = core
        self._calls = Calls()
        self._inbound: deque[str | bytes] = deque()
        self._inbound_bytes = 0
        self._changed = trio.Event()  # something was read, answered or sent
        self._held_events: list[Outgoing] = []
        self._malformed = 0
        self._for_nodes = trio.Event()
        self._heard_at = trio.current_time()
        self._scope = trio.CancelScope()
        self._close: tuple[int, str] = (1000, "")

    def __repr__(self) -> str:
        return f"RpcSession[{self.number} {self.address}]"

    async def run(self) -> None:
        """Until the client leaves, `close` is called, or it went too far. The exception boundary of sessions."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._dispatch)
                    nursery.start_soon(self._keep_alive)
                    await self._read()
                    nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except* TooMuch as group:
            self._close = next((error.code, error.reason) for error in _leaves(group) if isinstance(error, TooMuch))
            logger.info("session ended session=%s address=%s reason=%s", self.number, self.address, self._close[1])
        except* Exception:  # a bug of ours: it costs this session only
            logger.exception("session failed session=%s address=%s", self.number, self.address)
            self._close = (1011, "internal error")
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await self._websocket.aclose(*self._close)

    def close(self, code: int, reason: str) -> None:
        """End the session with this close frame."""
        self._close = (code, reason)
        self._scope.cancel()

    async def finish(self, code: int, reason: str) -> None:
        """As `close`, once what waits to be sent has left, or a deadline has passed."""
        with trio.move_on_after(CLOSE_SECONDS):
            await self.outbox.wait_empty()
        self.close(code, reason)

    # --- from the core ----------------------------------------------------------------------------------------

    def reply(self, call: int, result: Any) -> None:
        self._answer(call, jsonrpc.success(self._calls.identity(call), result))

    def fail(self, call: int, error: Refused) -> None:
        self._answer(call, jsonrpc.failure(self._calls.identity(call), error))

    def notify(self, method: str, params: Any) -> None:
        outgoing = Outgoing(jsonrpc.notification(method, params), is_bulk=method == "nodes.event")
        if self._calls.holds_events:
            self._held_events.append(outgoing)
        else:
            self.outbox.put(outgoing)

    def _answer(self, call: int, text: bytes) -> None:
        answer = self._calls.end(call, text)
        if answer is not None:
            self.outbox.put(Outgoing(answer))
        if self._held_events and not self._calls.holds_events:
            for outgoing in self._held_events:
                self.outbox.put(outgoing)
            self._held_events.clear()
        self._changed.set()

    # --- tasks ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            message = await self._websocket.get_message()
            self._heard_at = trio.current_time()
            self._inbound.append(message)
            self._inbound_bytes += len(message)
            self._changed.set()
            while self._inbound_bytes > INBOUND_BYTES_MAX:
                await self._wait_change()

    async def _wait_change(self) -> None:
        """Until something was read or answered. Several tasks may wait for different things: each looks again."""
        if self._changed.is_set():
            self._changed = trio.Event()
        await self._changed.wait()

    async def _dispatch(self) -> None:
        while True:
            while not self._inbound:
                await self._wait_change()
            message = self._inbound.popleft()
            await self._carry_in(jsonrpc.decode(message))
            self._inbound_bytes -= len(message)
            self._changed.set()
            await self.outbox.wait_room()

    async def _carry_in(self, incoming: jsonrpc.Incoming) -> None:
        batch = None
        if incoming.is_batch:
            subscribes = any(
                isinstance(item, jsonrpc.Request) and item.method == "nodes.subscribe" for item in incoming.items
            )
            batch = self._calls.begin_batch(len(incoming.items), holds_subscription=subscribes)
        for item in incoming.items:
            if isinstance(item, jsonrpc.Malformed):
                self._count_malformed()
                self._settle(batch, jsonrpc.failure(item.id, item.error))
            elif batch is not None and batch.bytes > BATCH_ANSWER_BYTES_MAX:
                self._settle_call(item, batch, jsonrpc.failure(item.id, _BATCH_TOO_LONG))
            else:
                await self._call(item, batch)

    async def _call(self, request: jsonrpc.Request, batch: Batch | None) -> None:
        if request.method == "rpc.discover":
            self._settle_call(request, batch, _described(request))
            return
        if request.method not in METHODS:
            unknown = f"there is no method {request.method[:64]!r}; rpc.discover lists those there are"
            error = Refused(jsonrpc.METHOD_NOT_FOUND, "method.unknown", unknown)
            self._settle_call(request, batch, jsonrpc.failure(request.id, error))
            return
        while len(self._calls) >= IN_FLIGHT_MAX:
            await self._wait_change()
        await self._core.wait_ready()
        if request.method in ("session.authenticate", "node.register"):
            self._for_nodes.set()
        number = self._calls.begin(request, batch)
        self._core.post(events.Call(self.number, number, request.method, request.params))
        if METHODS[request.method].is_heavy:
            # Its answer may be long: look at the next only when this one is there, and the client takes what it asked.
            while number in self._calls:
                await self._wait_change()
            await self.outbox.wait_room()

    def _settle_call(self, request: jsonrpc.Request, batch: Batch | None, answer: bytes) -> None:
        self._settle(batch, None if request.is_notification else answer)

    def _settle(self, batch: Batch | None, answer: bytes | None) -> None:
        """Something is answered without the core."""
        text = answer if batch is None else self._calls.add(batch, answer)
        if text is not None:
            self.outbox.put(Outgoing(text))

    def _count_malformed(self) -> None:
        self._malformed += 1
        if self._malformed >= MALFORMED_MAX:
            raise TooMuch(POLICY, f"{MALFORMED_MAX} malformed messages")

    async def _write(self) -> None:
        while True:
            frames = await self.outbox.get()
            with trio.move_on_after(SEND_SECONDS) as scope:
                async with self._stream.gathered():
                    for outgoing in frames:
                        await self._websocket.send_message(outgoing.text.decode())
            if scope.cancelled_caught:
                raise TooMuch(OVERLOADED, f"a message was not taken within {SEND_SECONDS:.0f} s")
            for outgoing in frames:
                self.outbox.sent(outgoing)
                if outgoing.is_bulk:
                    self._core.post(events.SessionWritable(self.number))

    async def _keep_alive(self) -> None:
        """Ping; say so when the client falls silent and when it is heard again; part from one that is dead."""
        while True:
            with trio.move_on_after(PING_IDLE_SECONDS):
                await self._for_nodes.wait()
                await trio.sleep(PING_SECONDS)
            if not await self._answers(SILENT_SECONDS - PING_SECONDS):
                self._core.post(events.SessionSilent(self.number))
                if not await self._answers(DEAD_SECONDS - SILENT_SECONDS):
                    raise TooMuch(POLICY, "no pong")
                self._core.post(events.SessionHeard(self.number))

    async def _answers(self, seconds: float) -> bool:
        """Whether the client shows life within so many seconds: by a pong, or by a message."""
        began = trio.current_time()
        with trio.move_on_after(seconds):
            await self._websocket.ping()
            return True
        return self._heard_at > began


def _described(request: jsonrpc.Request) -> bytes:
    """The answer to `rpc.discover`, which needs no core."""
    try:
        read_params(METHODS["rpc.discover"], request.params)
    except Refused as error:
        return jsonrpc.failure(request.id, error)
    return jsonrpc.success(request.id, openrpc.document())


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The exceptions in a group, whatever its nesting."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
