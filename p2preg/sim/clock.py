"""Virtual time: one heap of what is to happen, and the clocks of the machines, which may be wrong."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

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
        heapq.heappush(self._heap, (time if time > self.now else self.now, next(self._order), action, args))

    def after(self, seconds: float, action: Callable[..., None], *args: object) -> None:
        self.at(self.now + seconds, action, *args)

    def run(self, until: float) -> None:
        """Do all that is due by `until`; it is `until` then."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until:
            self.now, _, action, args = pop(heap)
            self.done += 1
            action(*args)
        self.now = max(self.now, until)

    def step(self, until: float) -> bool:
        """Do the next thing due by `until`; False when there is none, and it is `until` now."""
        if not self._heap or self._heap[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, action, args = heapq.heappop(self._heap)
        self.done += 1
        action(*args)
        return True


class MonotonicClock:
    """The seconds since some moment that no other machine knows: two machines' cannot be compared. It may run a little
    fast or slow."""

    __slots__ = ("_agenda", "_from", "_rate", "_shown")

    def __init__(self, agenda: Agenda, origin: int) -> None:
        """`origin`: what it shows at first; whole seconds, so that the way to a deadline and back is exact."""
        self._agenda = agenda
        self._from = 0.0  # it has run at this rate since then, and showed this then
        self._shown = float(origin)
        self._rate = 1.0

    @property
    def now(self) -> float:
        return self._shown + (self._agenda.now - self._from) * self._rate

    def drift(self, parts_per_million: float) -> None:
        """From now on it gains so much."""
        self._shown, self._from = self.now, self._agenda.now
        self._rate = 1 + parts_per_million / 1_000_000

    def when(self, deadline: float) -> float:
        """The time of the agenda at which this clock will show `deadline`, or a moment more."""
        at = self._from + (deadline - self._shown) / self._rate
        while self._shown + (at - self._from) * self._rate < deadline:
            at = math.nextafter(at, math.inf)
        return at


class WallClock:
    """The Unix time that one machine believes in."""

    __slots__ = ("_agenda", "_from", "_offset_ms", "_rate")

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._offset_ms = START_MS
        self._from = 0.0
        self._rate = 1000.0  # ms a second

    @property
    def now_ms(self) -> int:
        return self._offset_ms + int((self._agenda.now - self._from) * self._rate)

    @property
    def offset_ms(self) -> int:
        """By how much it is before the true time."""
        return self.now_ms - START_MS - int(self._agenda.now * 1000)

    def step(self, by_ms: int) -> None:
        """Somebody sets the clock."""
        self._offset_ms += by_ms

    def drift(self, parts_per_million: float) -> None:
        """From now on it gains so much."""
        self._offset_ms, self._from = self.now_ms, self._agenda.now
        self._rate = 1000 * (1 + parts_per_million / 1_000_000)
