"""One link to a neighbour, as the broadcast sees it: what its next IHAVE and PRUNE carry, and its broken promises."""

from __future__ import annotations

import math

from p2preg.base.limits import ANNOUNCEMENTS_QUEUED_MAX, BROKEN_PROMISES_MAX, ITEMS_PER_MESSAGE_MAX
from p2preg.wire.messages import Announcement, IHave, Prune

Queued = tuple[float, Announcement]  # since when it waits, and what


class Link:
    """IHAVEs are not acknowledged and not repeated. A promise is an announcement; it is broken when the batch does
    not follow a GRAFT."""

    def __init__(self, patience: float) -> None:
        """`patience`: how many seconds an announcement may wait here."""
        self.patience = patience
        self.prunes: dict[bytes, float] = {}  # held origins only; when each is due
        self._announcements: dict[bytes, Queued] = {}  # by batch, oldest first
        self._broken = 0
        self._broken_since = 0.0
        self._demoted_until = 0.0

    @property
    def due(self) -> float:
        """When the first of what waits is due; infinity when nothing waits."""
        due = next(iter(self.prunes.values())) if self.prunes else math.inf
        if self._announcements:
            queued_at, _ = next(iter(self._announcements.values()))
            due = min(due, queued_at + self.patience)
        return due

    @property
    def waiting(self) -> int:
        """How many announcements wait."""
        return len(self._announcements)

    def announce(self, batch_id: bytes, queued: Queued) -> None:
        """Put it into the next IHAVE; when that is full, the oldest is left out. The links share `queued`, since most
        batches are announced on most of them."""
        waiting = self._announcements
        waiting[batch_id] = queued
        if len(waiting) > ANNOUNCEMENTS_QUEUED_MAX:
            del waiting[next(iter(waiting))]

    def has(self, batch_id: bytes) -> None:
        """The neighbour holds that batch: no need to announce it any more."""
        self._announcements.pop(batch_id, None)

    def is_demoted(self, now: float) -> bool:
        """Whether its announcements count for nothing now."""
        return now < self._demoted_until

    def break_promise(self, now: float, demotion: float) -> bool:
        """Count one; true when it was one too many within `demotion` seconds, and `is_demoted` for as long."""
        if now - self._broken_since >= demotion:
            self._broken, self._broken_since = 0, now
        self._broken += 1
        if self._broken < BROKEN_PROMISES_MAX:
            return False
        self._broken, self._demoted_until = 0, now + demotion
        return True

    def flush(self) -> list[IHave | Prune]:
        """The messages that carry all that waits, which then waits no longer."""
        announcements, origins = [item for _, item in self._announcements.values()], list(self.prunes)
        self._announcements.clear()
        self.prunes.clear()
        prunes = [Prune(origins[at : at + ITEMS_PER_MESSAGE_MAX]) for at in _steps(origins)]
        ihaves = [IHave(announcements[at : at + ITEMS_PER_MESSAGE_MAX]) for at in _steps(announcements)]
        return [*prunes, *ihaves]


def _steps(items: list[bytes] | list[Announcement]) -> range:
    return range(0, len(items), ITEMS_PER_MESSAGE_MAX)
