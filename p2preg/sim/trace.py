"""What happened, as one hash: two runs with the same hash were the same run, event for event."""

from __future__ import annotations

import hashlib

DIGEST_BYTES = 16


class Trace:
    """Takes in every event that a core was given and everything that a client was told."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self.events = 0

    def note(self, now: float, who: str, what: object) -> None:
        self.events += 1
        self._hash.update(f"{now!r} {who} {what!r}\n".encode())

    def digest(self) -> str:
        """The hash so far, in hex."""
        return self._hash.hexdigest()
