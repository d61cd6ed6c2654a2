"""The payloads that a GRAFT can ask for: the latest accepted batches, bounded by count, bytes and age."""

from __future__ import annotations

from collections import OrderedDict

from p2preg.base.limits import CACHED_BATCHES_MAX, CACHED_BYTES_MAX, CACHED_SECONDS


class PayloadCache:
    """Signed bytes by batch id, oldest first."""

    def __init__(self) -> None:
        self.bytes = 0
        self._items: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, batch_id: bytes, raw: bytes, now: float) -> None:
        """Keep `raw` for `CACHED_SECONDS`, or until newer ones need the room."""
        if batch_id in self._items:
            return
        items = self._items
        items[batch_id] = (now + CACHED_SECONDS, raw)
        self.bytes += len(raw)
        while True:
            oldest = next(iter(items))
            end, evicted = items[oldest]
            if len(items) <= CACHED_BATCHES_MAX and self.bytes <= CACHED_BYTES_MAX and now < end:
                return
            del items[oldest]
            self.bytes -= len(evicted)

    def get(self, batch_id: bytes, now: float) -> bytes | None:
        end, raw = self._items.get(batch_id, (now, b""))
        return raw if now < end else None
