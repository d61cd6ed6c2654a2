"""Virtual time: one heap of what is to happen, and the wall clocks of the machines, which may be wrong."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

START_MS = 1_800_000_000_000  # Unix ms when the virtual clock shows 0


class Agenda:
    """What is to happen, in order of time; of two things at one time the one that was entered first. `now`: seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, time: float, action: Callable[..., None], *args: object) -> None:
        """Do `action(*args)` at `time`, or now if that is past."""
        heapq.heappush(self._heap, (max(time, self.now), next(self._order), action, args))

    def after(self, seconds: float, action: Callable[..., None], *args: object) -> None:
        self.at(self.now + seconds, action, *args)

    def step(self, until: float) -> bool:
        """Do the next thing due by `until`; False when there is none, and it is `until` now."""
        if not self._heap or self._heap[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, action, args = heapq.heappop(self._heap)
        self.done += 1
        action(*args)
        return True


@dataclass(slots=True)
class WallClock:
    """The Unix time that one machine believes in; it is off by `offset_ms`."""

    agenda: Agenda
    offset_ms: int = 0

    @property
    def now_ms(self) -> int:
        return START_MS + int(self.agenda.now * 1000) + self.offset_ms

    def step(self, by_ms: int) -> None:
        """Somebody sets the clock."""
        self.offset_ms += by_ms
