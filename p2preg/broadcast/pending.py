"""Batches handed to the node for verification and not yet judged. Ids and senders only; the bytes are with the node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from p2preg.base.limits import PENDING_BATCHES_MAX, PENDING_BYTES_MAX, PENDING_PER_PEER_MAX
from p2preg.broadcast.batch import Batch


@dataclass(slots=True)
class Unjudged:
    """Who sent a batch, first sender first, and who else is known to hold it."""

    origin: bytes
    size: int
    first_sender: bytes
    senders: dict[bytes, None]
    holders: dict[bytes, None]


class Pending:
    """Bounded by number, by bytes and by the share of each first sender."""

    def __init__(self) -> None:
        self.bytes = 0
        self._items: dict[bytes, Unjudged] = {}
        self._shares: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, batch_id: bytes) -> Unjudged | None:
        return self._items.get(batch_id)

    def add(self, batch: Batch, peer: bytes, holders: Iterable[bytes]) -> bool:
        """False when there is no room."""
        size, share = len(batch.raw), self._shares.get(peer, 0)
        if len(self) >= PENDING_BATCHES_MAX or share >= PENDING_PER_PEER_MAX or self.bytes + size > PENDING_BYTES_MAX:
            return False
        self._items[batch.batch_id] = Unjudged(batch.origin, size, peer, {peer: None}, dict.fromkeys(holders))
        self._shares[peer] = share + 1
        self.bytes += size
        return True

    def pop(self, batch_id: bytes) -> Unjudged | None:
        entry = self._items.pop(batch_id, None)
        if entry is not None:
            peer = entry.first_sender
            self.bytes -= entry.size
            self._shares[peer] -= 1
            if not self._shares[peer]:
                del self._shares[peer]
        return entry
