"""One deadline per held cell, on the wall clock. Unlike `base.timers` it takes millions that move all the time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

_SLACK = 64  # superseded entries that are not worth a rebuild


class Deadlines:
    """Unix ms per key; setting a key again moves its deadline. The heap holds at most about twice the live ones."""

    def __init__(self) -> None:
        self._at: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: bytes) -> bool:
        return key in self._at

    def set(self, key: bytes, at_ms: int) -> None:
        self._at[key] = at_ms
        heapq.heappush(self._heap, (at_ms, key))
        if len(self._heap) > 2 * len(self._at) + _SLACK:
            self._heap = [(at, key) for key, at in self._at.items()]
            heapq.heapify(self._heap)

    def pop(self, key: bytes) -> None:
        self._at.pop(key, None)

    def pop_due(self, now_ms: int) -> Iterator[bytes]:
        """The keys due by `now_ms`, earliest first; also those that are set while this runs."""
        while self._heap and self._heap[0][0] <= now_ms:
            at, key = heapq.heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                yield key
