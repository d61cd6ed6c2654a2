"""Keyed deadlines. The Trio driver and the simulator use this same class, so timers are data in both."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Hashable, Iterator

SUPERSEDED_MAX = 1_024  # moved entries kept, besides as many as there are timers, before they are swept out


class TimerQueue:
    """One deadline per timer; setting a timer again moves it. Times are seconds on any monotonic scale."""

    def __init__(self) -> None:
        self._at: dict[Hashable, float] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._at)

    def set(self, timer: Hashable, at: float) -> None:
        if self._at.get(timer) == at:
            return
        self._at[timer] = at
        heapq.heappush(self._heap, (at, next(self._order), timer))
        if len(self._heap) > 2 * len(self._at) + SUPERSEDED_MAX:
            self._heap = [entry for entry in self._heap if self._at.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def next_deadline(self) -> float:
        """When the earliest timer is due; infinity when none is set."""
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # superseded by a later set()
        return self._heap[0][0] if self._heap else math.inf

    def pop_due(self, now: float) -> Iterator[Hashable]:
        """The timers due by `now`, earliest first. Each is forgotten before it is handed out."""
        while self.next_deadline() <= now:
            _, _, timer = heapq.heappop(self._heap)
            del self._at[timer]
            yield timer
