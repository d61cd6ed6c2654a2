"""Batches that were announced to us and have not come: the paper's missing messages, with who could send each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from p2preg.base.limits import ANNOUNCED_MAX, ANNOUNCED_PER_PEER_MAX
from p2preg.base.timers import TimerQueue
from p2preg.wire.messages import Announcement


@dataclass(slots=True)
class Missing:
    """One announced batch. What `announcement` says is the first announcer's word, no more."""

    announcement: Announcement
    first_announcer: bytes
    announced_at: float
    announcers: dict[bytes, None] = field(default_factory=dict)  # not yet asked, earliest first
    asked: dict[bytes, None] = field(default_factory=dict)  # GRAFT was sent; the last one's answer is awaited

    @property
    def last_asked(self) -> bytes | None:
        return next(reversed(self.asked), None)


class MissingMessages:
    """Bounded by number and by the share of each first announcer; what does not fit is not remembered."""

    def __init__(self) -> None:
        self._items: dict[bytes, Missing] = {}
        self._shares: dict[bytes, int] = {}
        self._graft_at = TimerQueue()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def next_due(self) -> float:
        return self._graft_at.next_deadline()

    def get(self, batch_id: bytes) -> Missing | None:
        return self._items.get(batch_id)

    def announce(self, announcement: Announcement, peer: bytes, now: float, graft_at: float) -> None:
        """`peer` could send that batch. The first announcement sets the time to ask for it."""
        entry = self._items.get(announcement.batch_id)
        if entry is None:
            share = self._shares.get(peer, 0)
            if len(self) >= ANNOUNCED_MAX or share >= ANNOUNCED_PER_PEER_MAX:
                return
            entry = self._items[announcement.batch_id] = Missing(announcement, peer, now)
            self._shares[peer] = share + 1
            self._graft_at.set(announcement.batch_id, graft_at)
        if peer not in entry.asked:
            entry.announcers[peer] = None

    def ask(self, batch_id: bytes, retry_at: float) -> bytes | None:
        """The announcer to ask now, earliest first; None when all were asked."""
        entry = self._items[batch_id]
        peer = next(iter(entry.announcers), None)
        if peer is not None:
            del entry.announcers[peer]
            entry.asked[peer] = None
            self._graft_at.set(batch_id, retry_at)
        return peer

    def pop(self, batch_id: bytes) -> Missing | None:
        entry = self._items.pop(batch_id, None)
        if entry is not None:
            self._shares[entry.first_announcer] -= 1
            if not self._shares[entry.first_announcer]:
                del self._shares[entry.first_announcer]
        return entry

    def pop_due(self, now: float) -> Iterator[Missing]:
        """Those whose time to ask, or to ask again, has come."""
        for batch_id in self._graft_at.pop_due(now):
            assert isinstance(batch_id, bytes)
            if (entry := self._items.get(batch_id)) is not None:
                yield entry

    def forget_announcer(self, peer: bytes) -> None:
        """Ask `peer` for nothing more. What it was asked for already, it may still send."""
        for entry in self._items.values():
            entry.announcers.pop(peer, None)

    def forget_origin(self, origin: bytes) -> None:
        for batch_id in [key for key, entry in self._items.items() if entry.announcement.origin == origin]:
            self.pop(batch_id)
