"""One authenticated link to a peer, after its handshake: a reader task, a writer task, and the keep-alive.

The reader hands messages to the link's owner and stops reading while the owner's gate is shut; the writer empties a
bounded outbox. Here stands the one error boundary of the transport: what goes wrong on a link ends that link.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import trio

from p2preg.base.errors import P2pregError, RemoteProtocolError
from p2preg.net.config import LinkConfig
from p2preg.net.frames import FrameStream, Traffic
from p2preg.net.handshake import LinkInfo, goodbye_frame
from p2preg.wire.messages import Goodbye, Hello, Message, Ping, Pong, decode_message
from p2preg.wire.outbox import Outbox

logger = logging.getLogger(__name__)
T = TypeVar("T")

_WRITE_BYTES = 65_536  # small frames that leave in one write
_RTT_GAIN = 1 / 8  # RFC 6298 section 2


@dataclass(frozen=True, slots=True)
class Failure:
    """Why `contained` work came to nothing, for a log line or a peer's Goodbye."""

    reason: str


async def contained(what: object, work: Callable[[], Awaitable[T]]) -> T | Failure:
    """The error boundary. What the other side or the network did becomes a reason; a bug of ours too, after its
    traceback is logged. Cancellation passes."""
    try:
        return await work()
    except (P2pregError, OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
        return Failure(str(error) or type(error).__name__)
    except Exception:  # a bug on one link must not end the others
        logger.error("%s: internal error", what, exc_info=True)
        return Failure("internal error")


class LinkOwner(Protocol):
    """What a link tells. The first three are called from its tasks and must not wait."""

    def received(self, link: Link, message: Message) -> None:
        """`message` came, not one of the link's own (Hello, Goodbye, Ping, Pong)."""

    def confirmed(self, link: Link) -> None:
        """The first message after Hello came."""

    def ended(self, link: Link) -> None:
        """It is of no more use, though it may still be flushing its last words. Called once."""

    async def wait_ready(self) -> None:
        """Return when a message can be taken."""


class Link:
    """`info.peer`, as seen from here. `reason` is None while the link is in use, then says why it ended."""

    def __init__(
        self, info: LinkInfo, frames: FrameStream, config: LinkConfig, owner: LinkOwner, traffic: Traffic
    ) -> None:
        self.info = info
        self.reason: str | None = None
        self.confirmed = False  # whether anything came since Hello: then the peer, too, counts this link as up
        self.round_trip_time_s: float | None = None
        self._frames = frames
        self._config = config
        self._owner = owner
        self._traffic = traffic
        self._outbox = Outbox(config.outbox_bytes_max, config.outbox_messages_max, traffic)
        self._scope = trio.CancelScope()
        self._wake_writer = trio.Event()
        self._listening = True  # what still comes is handed to the owner
        self._told = False
        self._farewell_sent = self._farewell_received = False
        self._nonce: int | None = None  # of the Ping under way
        self._pong = trio.Event()
        self._gate = Stopwatch()

    def __repr__(self) -> str:
        return f"Link[{self.info}]"

    def send(self, message: Message) -> None:
        """Put `message` into the outbox; never waits. A control message that finds no room ends the link."""
        if self.reason is not None:
            return
        if self._outbox.offer(message):
            self._wake_writer.set()
        else:
            self.abort("the peer does not read: its outbox is full")

    def close(self, reason: str) -> None:
        """Flush the outbox, say Goodbye, and end; what still comes is not handed on."""
        self._listening = False
        self._part(reason, self._config.goodbye_seconds)
        self._tell_ended()

    def retire(self, reason: str) -> None:
        """As `close`, for a link that lost to another one: what is still under way is handed on."""
        self._part(reason, self._config.drain_seconds)

    def abort(self, reason: str) -> None:
        """End at once."""
        self._listening = False
        if self.reason is None:
            self.reason = reason
        self._scope.cancel()
        self._tell_ended()

    async def run(self) -> None:
        """Carry messages until the link ends. Raises nothing but cancellation."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for part in (self._read, self._write, self._keep_alive):
                        nursery.start_soon(self._run_part, part)
        finally:
            self.abort("this side has shut down")
            await self._frames.aclose()

    @property
    def bytes_waiting(self) -> int:
        return self._outbox.bytes_waiting

    async def _run_part(self, part: Callable[[], Awaitable[None]]) -> None:
        outcome = await contained(self, part)
        if isinstance(outcome, Failure):
            self.abort(outcome.reason)

    async def _read(self) -> None:
        while not self._farewell_received:
            if self._listening:
                with self._gate:
                    await self._owner.wait_ready()
            body = await self._frames.receive()
            if body is None:
                self.abort("the peer closed the connection")
                return
            self._take(decode_message(body))
        if self._farewell_sent:
            self.abort("both sides have said goodbye")

    def _take(self, message: Message | None) -> None:
        match message:
            case Hello():
                raise RemoteProtocolError("Hello comes once, as the first message")
            case Goodbye(reason):
                self._farewell_received = True
                self.close(f"the peer said goodbye: {reason!r}")
                return
            case Ping(nonce):
                self.send(Pong(nonce))
            case Pong(nonce):
                self._on_pong(nonce)
            case None:
                self._traffic.unknown_messages += 1
            case _ if self._listening:
                self._owner.received(self, message)
        self._confirm()

    async def _write(self) -> None:
        while True:
            while frames := self._outbox.take(_WRITE_BYTES):
                await self._frames.send(frames)
            if self.reason is not None:
                break
            await self._wake_writer.wait()
            self._wake_writer = trio.Event()
        await self._frames.send(goodbye_frame(self.reason))
        self._farewell_sent = True
        if self._farewell_received:
            self.abort("both sides have said goodbye")

    async def _keep_alive(self) -> None:
        while True:
            await self._measure_round_trip()
            await trio.sleep(self._config.ping_seconds)

    async def _measure_round_trip(self) -> None:
        """Ping, and end the link as dead when no Pong comes. Time in which this side did not read is not held against
        the peer, nor does it count as its round trip."""
        self._nonce, self._pong = secrets.randbits(63), trio.Event()
        began, waited = trio.current_time(), self._gate.seconds
        self.send(Ping(self._nonce))
        while (left := began + self._config.pong_seconds + self._gate.seconds - waited - trio.current_time()) > 0:
            with trio.move_on_after(left):
                await self._pong.wait()
                self._count_round_trip(trio.current_time() - began - (self._gate.seconds - waited))
                return
        raise RemoteProtocolError(f"no Pong within {self._config.pong_seconds} s")

    def _on_pong(self, nonce: int) -> None:
        if nonce == self._nonce:
            self._nonce = None
            self._pong.set()

    def _count_round_trip(self, seconds: float) -> None:
        before = self.round_trip_time_s
        self.round_trip_time_s = seconds if before is None else before + _RTT_GAIN * (seconds - before)

    def _confirm(self) -> None:
        if self._listening and not self.confirmed:
            self.confirmed = True
            self._owner.confirmed(self)

    def _part(self, reason: str, grace: float) -> None:
        if self.reason is None:
            self.reason = reason
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + grace)
        self._wake_writer.set()

    def _tell_ended(self) -> None:
        if not self._told:
            self._told = True
            self._owner.ended(self)


class Stopwatch:
    """A context manager that adds up the time spent inside, the present visit included."""

    def __init__(self) -> None:
        self._before = 0.0
        self._entered: float | None = None

    @property
    def seconds(self) -> float:
        inside = 0.0 if self._entered is None else trio.current_time() - self._entered
        return self._before + inside

    def __enter__(self) -> None:
        self._entered = trio.current_time()

    def __exit__(self, *_: object) -> None:
        self._before, self._entered = self.seconds, None
