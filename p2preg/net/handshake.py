"""From a byte stream to an agreed link: TLS, then one Hello each way. The dialler speaks first; the other side answers
with its Hello or, when it refuses, with a Goodbye that says why. So a dialler's link is up only when both agreed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Protocol

import trio
from OpenSSL import SSL

from p2preg.base.errors import P2pregError, RemoteProtocolError
from p2preg.base.ids import short
from p2preg.net.config import LinkConfig
from p2preg.net.frames import FrameStream, Traffic
from p2preg.net.tls import TlsStream
from p2preg.wire.framing import frame
from p2preg.wire.messages import Goodbye, Hello, Message, decode_message, encode_message

_LABEL_MAX = 64  # characters of a Goodbye's reason (wire.messages.Label)


class LinkRefused(P2pregError):
    """This side does not want the link; nobody is at fault."""


class RefusedByPeer(P2pregError):
    """The other side does not want the link."""


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """What both ends agreed on. `address`: the other end of the socket, which for an inbound link can't be dialled.
    `round_trip`: seconds that the TLS handshake took, at either end one round trip and the time to compute."""

    peer: bytes
    outbound: bool
    address: str
    hello: Hello
    version: int
    kinds: tuple[int, ...]
    round_trip: float | None = None

    def __str__(self) -> str:
        return f"{short(self.peer)} {'->' if self.outbound else '<-'} {self.address}"


class Gatekeeper(Protocol):
    """Who is welcome. Both raise `LinkRefused` or `RemoteProtocolError`."""

    def check_peer(self, peer: bytes) -> None:
        """Asked when the peer's identity is known, before any Hello."""

    def check_link(self, info: LinkInfo) -> None:
        """Asked when the peer's Hello is known and good."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is the same for every link of this process. `own_hello` is asked anew each time, for it holds the time;
    `check_hello(peer, hello)` raises `RemoteProtocolError` unless the cell in `hello` is that peer's."""

    context: SSL.Context
    own_hello: Callable[[], Hello]
    check_hello: Callable[[bytes, Hello], None]
    config: LinkConfig
    traffic: Traffic

    async def dial(self, stream: trio.abc.Stream, address: str, gate: Gatekeeper) -> tuple[LinkInfo, FrameStream]:
        """Agree with whom we dialled. `LinkRefused`, `RefusedByPeer` or `RemoteProtocolError` when it comes to
        nothing, and OSError or Trio's own when the network fails; the stream is closed then."""
        return await self._agree(stream, address, gate, outbound=True)

    async def answer(self, stream: trio.abc.Stream, address: str, gate: Gatekeeper) -> tuple[LinkInfo, FrameStream]:
        """Agree with whoever dialled us; errors as for `dial`."""
        return await self._agree(stream, address, gate, outbound=False)

    async def _agree(
        self, stream: trio.abc.Stream, address: str, gate: Gatekeeper, *, outbound: bool
    ) -> tuple[LinkInfo, FrameStream]:
        config = self.config
        tls = TlsStream(stream, self.context, dialled=outbound, close_seconds=config.close_seconds)
        frames = FrameStream(tls, config.frame_seconds, self.traffic)
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(frames.aclose)
            try:
                with trio.fail_after(config.handshake_seconds):
                    began = trio.current_time()
                    await tls.handshake()
                    round_trip = trio.current_time() - began
                    info = await self._greet(tls.peer_id, frames, address, gate, round_trip, outbound=outbound)
            except trio.TooSlowError:
                raise RemoteProtocolError(f"TLS and Hello took longer than {config.handshake_seconds} s") from None
            on_failure.pop_all()
        return info, frames

    async def _greet(
        self, peer: bytes, frames: FrameStream, address: str, gate: Gatekeeper, round_trip: float, *, outbound: bool
    ) -> LinkInfo:
        try:
            gate.check_peer(peer)
            own = self.own_hello()
            if outbound:
                await frames.send(_frame_of(own))
            theirs = _hello_in(await frames.receive())
            version, kinds = agree(own, theirs)
            self.check_hello(peer, theirs)
            info = LinkInfo(peer, outbound, address, theirs, version, kinds, round_trip)
            gate.check_link(info)
        except (LinkRefused, RemoteProtocolError) as error:
            with suppress(RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
                await frames.send(goodbye_frame(str(error)))
            raise
        if not outbound:
            await frames.send(_frame_of(own))
        return info


def agree(own: Hello, theirs: Hello) -> tuple[int, tuple[int, ...]]:
    """The greatest protocol version and the cell kinds that both know. `RemoteProtocolError` when there are none, or
    the networks differ: its text names ours first, for 64 characters of it reach the other side."""
    if own.network != theirs.network:
        raise RemoteProtocolError(f"the network here is {own.network}, not {theirs.network!r}")
    version = min(own.version_max, theirs.version_max)
    if version < max(own.version_min, theirs.version_min):
        raise RemoteProtocolError(
            f"versions {own.version_min} to {own.version_max} are spoken here, "
            f"not {theirs.version_min} to {theirs.version_max}"
        )
    kinds = tuple(kind for kind in sorted(set(own.kinds)) if kind in theirs.kinds)
    if not kinds:
        raise RemoteProtocolError(f"cells of the kinds {own.kinds} are kept here, not of {theirs.kinds}")
    return version, kinds


def goodbye_frame(reason: str) -> bytes:
    """The frame of a Goodbye, its reason cut to what fits."""
    return _frame_of(Goodbye(reason[:_LABEL_MAX]))


def _frame_of(message: Message) -> bytes:
    return frame(encode_message(message))


def _hello_in(body: bytes | None) -> Hello:
    if body is None:
        raise RemoteProtocolError("the connection ended before Hello")
    match decode_message(body):
        case Hello() as hello:
            return hello
        case Goodbye(reason):
            raise RefusedByPeer(f"the peer refused: {reason!r}")
        case message:
            raise RemoteProtocolError(f"Hello was expected first, got {type(message).__name__}")
