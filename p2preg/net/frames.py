"""Frames over a `TlsStream`. A frame that has begun must be complete in time, so a peer that trickles bytes holds
nothing for long; a peer that is silent between frames is the keep-alive's business.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import trio

from p2preg.base.errors import RemoteProtocolError
from p2preg.net.tls import TlsStream
from p2preg.wire.framing import FrameReader

_READ_BYTES = 16_384  # one TLS record; also what is decoded before the next look at the gate


@dataclass(slots=True)
class Traffic:
    """What all links of a process did since its start."""

    bytes_received: int = 0
    bytes_sent: int = 0
    unknown_messages: int = 0  # of a number that this release does not know
    announcements_dropped: int = 0  # IHave, at a full outbox
    gossip_dropped: int = 0  # same


class FrameStream:
    """One reader and one writer task may use it at once. It owns `tls` from here on."""

    def __init__(self, tls: TlsStream, frame_seconds: float, traffic: Traffic) -> None:
        self._tls = tls
        self._frame_seconds = frame_seconds
        self._traffic = traffic
        self._reader = FrameReader()
        self._ready: deque[bytes] = deque()
        self._patience = frame_seconds  # left for the frame under way; only time spent waiting for bytes counts

    async def receive(self) -> bytes | None:
        """The next frame's body; None at the end. `RemoteProtocolError` for a frame that can't be, or takes too
        long."""
        while not self._ready:
            data = await self._read()
            if not data:
                return None
            self._traffic.bytes_received += len(data)
            self._ready.extend(self._reader.feed(data))
            if self._ready:
                self._patience = self._frame_seconds
        return self._ready.popleft()

    async def send(self, frames: bytes) -> None:
        """Send whole frames, as `wire.framing.frame` makes them."""
        await self._tls.send_all(frames)
        self._traffic.bytes_sent += len(frames)

    async def aclose(self) -> None:
        await self._tls.aclose()

    async def _read(self) -> bytes:
        if not self._reader.pending:
            return await self._tls.receive_some(_READ_BYTES)
        began = trio.current_time()
        with trio.move_on_after(max(0.0, self._patience)):
            data = await self._tls.receive_some(_READ_BYTES)
            self._patience -= trio.current_time() - began
            return data
        raise RemoteProtocolError(f"a frame must be complete within {self._frame_seconds} s of its first byte")
