"""Frames: a 4-byte big-endian length, then that many bytes of one canonical CBOR message."""

from __future__ import annotations

from p2preg.base.errors import LocalProtocolError, RemoteProtocolError
from p2preg.base.limits import FRAME_BYTES_MAX

HEAD_BYTES = 4


class FrameTooLarge(RemoteProtocolError):
    """A frame announces more than `FRAME_BYTES_MAX`, or nothing at all."""


def frame(body: bytes) -> bytes:
    """`body` with its length before it; `LocalProtocolError` for a body that no reader would take."""
    if not 0 < len(body) <= FRAME_BYTES_MAX:
        raise LocalProtocolError(f"a frame has 1 to {FRAME_BYTES_MAX} bytes, {len(body)} were to be sent")
    return len(body).to_bytes(HEAD_BYTES) + body


class FrameReader:
    """Cuts a stream of bytes into frame bodies, however the stream arrives in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies completed by `data`; `FrameTooLarge` as soon as a head announces an impossible length."""
        self._buffer += data
        bodies = []
        at = 0
        while len(self._buffer) - at >= HEAD_BYTES:
            length = int.from_bytes(self._buffer[at : at + HEAD_BYTES])
            if not 0 < length <= FRAME_BYTES_MAX:
                raise FrameTooLarge(f"a frame has 1 to {FRAME_BYTES_MAX} bytes, {length} were announced")
            if len(self._buffer) - at < HEAD_BYTES + length:
                break
            bodies.append(bytes(self._buffer[at + HEAD_BYTES : at + HEAD_BYTES + length]))
            at += HEAD_BYTES + length
        del self._buffer[:at]
        return bodies
