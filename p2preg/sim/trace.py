"""What happened, as one hash: two runs with the same hash were the same run, event for event."""

from __future__ import annotations

import hashlib

import msgspec

DIGEST_BYTES = 16
CHUNK_BYTES = 65_536  # hashed at once


class Trace:
    """Takes in every event that a core was given and everything that a client was told: when, who, and all that it
    says, down to the bytes of a batch."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._encoder = msgspec.msgpack.Encoder(enc_hook=repr)
        self._waiting = bytearray()
        self.events = 0

    def note(self, now: float, who: str, what: object) -> None:
        self.events += 1
        self._waiting += self._encoder.encode((now, who, type(what).__name__, what))
        if len(self._waiting) > CHUNK_BYTES:
            self._feed()

    def digest(self) -> str:
        """The hash so far, in hex."""
        self._feed()
        return self._hash.hexdigest()

    def _feed(self) -> None:
        self._hash.update(self._waiting)
        self._waiting.clear()
