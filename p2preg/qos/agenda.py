"""When to look at which subject again: a deadline each, that can only be brought forward until it is due."""

from __future__ import annotations

import math
from collections.abc import Iterator

from p2preg.base.timers import TimerQueue


class Agenda:
    """Setting a later deadline than the one that stands changes nothing, so the queue does not grow by repetition."""

    def __init__(self) -> None:
        self._at: dict[bytes, float] = {}
        self._queue = TimerQueue()

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, subject: bytes) -> bool:
        return subject in self._at

    def no_later_than(self, subject: bytes, at: float) -> None:
        if at < self._at.get(subject, math.inf):
            self._at[subject] = at
            self._queue.set(subject, at)

    def due(self, now: float) -> Iterator[bytes]:
        """The subjects due by `now`, earliest first. Each is forgotten before it is handed out."""
        while self._queue.next_deadline() <= now:
            subject = next(self._queue.pop_due(now))
            assert isinstance(subject, bytes)
            del self._at[subject]
            yield subject
