"""The Trio driver of the node core: the only task that touches it.

Events come in without waiting, from links, websockets, the disk and timers; each is handled whole, and its effects are
carried out, before the next is looked at. Durable before visible: what must be on disk first is said so by the core, by
`Store` and `Stored`."""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import trio

from p2preg.base.effects import Schedule, Send
from p2preg.base.errors import P2pregError, Refused, RemoteProtocolError
from p2preg.base.events import Expired, Received
from p2preg.base.timers import TimerQueue
from p2preg.crypto.verify import verify_all
from p2preg.net.handshake import LinkInfo
from p2preg.net.transport import Transport
from p2preg.node.core import NodeCore
from p2preg.node.effects import CloseLink, Dial, Forget, Halt, Log, Persist, Store, Verify
from p2preg.node.events import DialFailed, LinkDown, LinkUp, Shutdown, Stored, Verified
from p2preg.registry.effects import Fail, Notify, Reply
from p2preg.registry.events import Call, Stopping
from p2preg.wire.messages import Hello, Message

logger = logging.getLogger(__name__)

INBOX_EVENTS_MAX = 4_096  # beyond, links and websockets are not read until half is done
DISK_PAUSE = 0.01  # between looks at a disk that lags
EVENTS_PER_TURN = 64  # then other tasks get a turn,
TURN_SECONDS = 0.02  # and after so long, however few events that were
VERIFY_THREADS = 2


class KeyInUse(P2pregError):
    """Another process runs with this node's key."""


class Disk(Protocol):
    """The store, as the driver uses it; every call returns at once."""

    def put_nowait(self, writes: Sequence[tuple[int, bytes, bytes]], on_durable: Callable[[], None]) -> None: ...
    def delete_nowait(self, keys: Sequence[bytes]) -> None: ...
    def meta_put_nowait(self, name: str, value: bytes) -> None: ...
    def pressure(self) -> bool: ...
    def size_bytes(self) -> int: ...


class Clients(Protocol):
    """The websocket sessions; every call returns at once."""

    def reply(self, session: int, call: int, result: Any) -> None: ...
    def fail(self, session: int, call: int, error: Any) -> None: ...
    def notify(self, session: int, method: str, params: Any) -> None: ...


def unix_ms() -> int:
    """The wall clock, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Driver:
    """Owns the node core, its timers and its inbox. It is the transport's sink and the core's view of the outside."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._node: NodeCore | None = None
        self._transport: Transport | None = None
        self._clients: Clients | None = None
        self._inbox: deque[object] = deque()
        self._stores: list[Store] = []  # of the turn under way: written together at its end
        self._wake = trio.Event()
        self._drained = trio.Event()
        self._timers = TimerQueue()
        self._threads = trio.CapacityLimiter(VERIFY_THREADS)
        self._nursery: trio.Nursery | None = None
        self._stopped = trio.Event()

    def connect(self, node: NodeCore, transport: Transport) -> None:
        """Give the driver what it drives. The core and the transport each need the driver first."""
        self._node = node
        self._transport = transport

    def serve(self, clients: Clients) -> None:
        """From now on there are websocket sessions to answer."""
        self._clients = clients

    # --- the loop -------------------------------------------------------------------------------------------

    async def run(
        self, anchors: Sequence[bytes], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Drive until `stop`. Started when the core's first effects are carried out."""
        node = self._node
        assert node is not None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._carry_out(node.start(anchors, trio.current_time(), unix_ms()))
            self._write()
            task_status.started()
            while not self._stopped.is_set():
                await self._wait()
                self._turn(node)
            nursery.cancel_scope.cancel()

    async def _wait(self) -> None:
        if self._inbox:
            await trio.lowlevel.checkpoint()
            return
        self._wake = trio.Event()
        with trio.move_on_at(self._timers.next_deadline()):
            await self._wake.wait()

    def _turn(self, node: NodeCore) -> None:
        """Messages before timers: after a stall, what came meanwhile counts before anyone is judged silent."""
        ends_at = trio.current_time() + TURN_SECONDS
        for _ in range(EVENTS_PER_TURN):
            if not self._inbox or trio.current_time() > ends_at:
                break
            self._handle(node, self._inbox.popleft())
        ends_at = trio.current_time() + TURN_SECONDS
        for timer in self._timers.pop_due(trio.current_time()):
            self._handle(node, Expired(timer))
            if trio.current_time() > ends_at:
                break
        self._write()
        if len(self._inbox) < INBOX_EVENTS_MAX // 2:
            self._drained.set()

    def _handle(self, node: NodeCore, event: object) -> None:
        """A bug of ours in answering one client's call is that client's error; anywhere else it ends the process."""
        try:
            effects = node.handle(event, trio.current_time(), unix_ms())
        except Exception:
            if not isinstance(event, Call):
                raise
            effects = [Fail(event.session, event.call, _incident(event))]
        self._carry_out(effects)

    def post(self, event: object) -> None:
        """Put an event into the inbox. Never waits: who posts much awaits `wait_ready` first."""
        self._inbox.append(event)
        self._wake.set()

    async def wait_ready(self) -> None:
        """Until the inbox and the disk's queue have room: what links and websockets await before they read on."""
        while self._disk.pressure():  # noqa: ASYNC110 - the disk has no event for this, and it is rare
            await trio.sleep(DISK_PAUSE)
        while len(self._inbox) >= INBOX_EVENTS_MAX:
            if self._drained.is_set():
                self._drained = trio.Event()
            await self._drained.wait()

    def tell_guests(self) -> None:
        """Name other registries to the nodes at home here, before their websockets close."""
        assert self._node is not None
        self._handle(self._node, Stopping())
        self._write()

    def stop(self) -> None:
        """Say farewell to peers, then end the loop. What was sent is in the outboxes when this returns."""
        assert self._node is not None
        self._handle(self._node, Shutdown())
        self._write()
        self._stopped.set()
        self._wake.set()

    # --- carrying out -----------------------------------------------------------------------------------------

    def _carry_out(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case Send(peer, message):
                    self._send(peer, message)
                case Schedule(at, timer):
                    self._timers.set(timer, at)
                case Reply() | Fail() | Notify():
                    self._answer(effect)
                case Store():
                    self._stores.append(effect)
                case Forget(cells):
                    self._write()  # first what may be of the same keys
                    self._disk.delete_nowait([cell.key for cell in cells])
                case Persist(name, value):
                    self._disk.meta_put_nowait(name, value)
                case Verify():
                    assert self._nursery is not None
                    self._nursery.start_soon(self._verify, effect)
                case Dial(endpoint, expected):
                    assert self._transport is not None
                    self._transport.dial(endpoint, expected)
                case CloseLink(peer, reason):
                    assert self._transport is not None
                    self._transport.close(peer, reason)
                case Log(level, event, fields):
                    said = " ".join(f"{name}={value}" for name, value in fields.items())
                    logger.log(logging.getLevelName(level.upper()), "%s %s", event, said)
                case Halt(reason):
                    raise KeyInUse(reason)
                case _:
                    raise AssertionError(f"no rule for {effect!r}")

    def _send(self, peer: bytes, message: object) -> None:
        assert self._transport is not None
        assert isinstance(message, Message)
        self._transport.send(peer, message)

    def _answer(self, effect: Reply | Fail | Notify) -> None:
        if self._clients is None:
            return
        match effect:
            case Reply(session, call, result):
                self._clients.reply(session, call, result)
            case Fail(session, call, error):
                self._clients.fail(session, call, error)
            case Notify(session, method, params):
                self._clients.notify(session, method, params)

    def _write(self) -> None:
        """Give the disk what was to be stored, as one write."""
        if self._stores:
            writes = [(cell.shard, cell.key, cell.raw) for store in self._stores for cell in store.cells]
            tokens = [store.token for store in self._stores if store.token is not None]
            self._stores.clear()
            self._disk.put_nowait(writes, lambda: self._stored(tokens))

    def _stored(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            self.post(Stored(token))

    async def _verify(self, effect: Verify) -> None:
        verdicts = await trio.to_thread.run_sync(
            verify_all, effect.checks, limiter=self._threads, abandon_on_cancel=True
        )
        self.post(Verified(effect.token, verdicts))

    # --- the transport's questions and its sink -------------------------------------------------------------------

    def hello(self) -> Hello:
        """Our first message on a link; nobody is greeted before the core stands."""
        if self._node is None:
            raise RemoteProtocolError("this registry is starting: try again")
        return self._node.hello(unix_ms())

    def check_hello(self, peer: bytes, hello: Hello) -> None:
        """`RemoteProtocolError` unless the peer's Hello is good."""
        assert self._node is not None
        self._node.check_hello(peer, hello)

    def peer_up(self, link: LinkInfo) -> None:
        self.post(LinkUp(link.peer, link.outbound, link.address, link.hello, link.round_trip))

    def peer_down(self, peer: bytes) -> None:
        self.post(LinkDown(peer))

    def received(self, peer: bytes, message: Message) -> None:
        self.post(Received(peer, message))

    def dial_failed(self, endpoint: str, expected_id: bytes | None, reason: str) -> None:
        self.post(DialFailed(endpoint, expected_id, reason))

    # --- what only the driver knows -------------------------------------------------------------------------------

    def round_trip_time_s(self, peer: bytes) -> float | None:
        """The measured round-trip time of the link to `peer`; None without a link or a measurement."""
        if self._transport is None:
            return None
        return next(
            (link.round_trip_time_s for link in self._transport.statistics().links if link.peer == peer), None
        )

    def store_bytes(self) -> int:
        return self._disk.size_bytes()


def _incident(call: Call) -> Refused:
    """The error of a call that a bug of ours kept from being answered, with the number under which it is logged."""
    incident = secrets.token_hex(4)
    logger.exception("call failed method=%s incident=%s", call.method, incident)
    return Refused(-32603, "internal", f"an error of this registry; its log has it as {incident}", incident=incident)
