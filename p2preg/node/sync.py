"""When to reconcile with whom, and whether this registry has what the others have (docs/architecture.md, Spreading)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2preg.base.bounded import BoundedDict
from p2preg.base.limits import RECONCILE_SESSIONS_MAX

if TYPE_CHECKING:
    from random import Random

RESULTS_MAX = 64  # peers whose latest session is remembered; the oldest goes, two are needed
IN_VAIN_SECONDS = 1800.0  # of trying all peers: then a registry that reached none counts as alone
AGAIN_SECONDS = 0.5  # after a session that found something: the next one, with another peer
FOLLOW_UPS_MAX = 4  # further sessions for the sake of cells that may still be on their way to everybody
UNKNOWN_SECONDS = 10.0  # between two sessions for the sake of registries that are not held


class SyncStatus:
    """The outcome of the latest completed session with each peer, and the plan for the next."""

    def __init__(self, interval: float, rng: Random, now: float) -> None:
        self._interval = interval
        self._rng = rng
        self._started = now
        self._clean: BoundedDict[bytes, bool] = BoundedDict(RESULTS_MAX)
        self._asked: BoundedDict[bytes, None] = BoundedDict(RESULTS_MAX)
        self._failed = 0  # sessions in a row
        self._follow_ups = 0  # the same
        self._unknown_at = now - UNKNOWN_SECONDS
        self._linked: dict[bytes, None] = {}
        self._running: dict[bytes, None] = {}
        self._reached = False
        self.next_at = now  # when to look whether a session is due
        self._began_at = now - AGAIN_SECONDS  # the latest session

    def peer_up(self, peer: bytes, now: float) -> None:
        self._linked[peer] = None
        self._reached = True
        if not self._settled():
            self.next_at = now

    def peer_down(self, peer: bytes) -> None:
        self._linked.pop(peer, None)
        self._running.pop(peer, None)

    def soon(self, now: float) -> None:
        """Something was missed: reconcile at once."""
        self.next_at = min(self.next_at, max(now, self._began_at + AGAIN_SECONDS))

    def met_unknown(self, now: float) -> None:
        """A peer passes on what a registry says that we do not hold, so we missed its cell. Anybody can make such a
        registry up: it brings no more than a session now and then."""
        if now >= self._unknown_at + UNKNOWN_SECONDS:
            self._unknown_at = now
            self.soon(now)

    def due(self, now: float) -> bytes | None:
        """The peer to reconcile with now, if it is time: one not asked yet before others, at random among equals."""
        if now < self.next_at:
            return None
        free = [peer for peer in self._linked if peer not in self._running]
        if not free or len(self._running) >= RECONCILE_SESSIONS_MAX:  # one more would be ignored, and never end
            self.next_at = now + AGAIN_SECONDS
            return None
        fresh = [peer for peer in free if peer not in self._asked] or free
        peer = fresh[self._rng.randrange(len(fresh))]
        self._running[peer] = None
        self._asked.set(peer, None)
        self._began_at = now
        self._plan(now)
        return peer

    def ended(self, peer: bytes, ok: bool, moved: int, repaired: int, now: float) -> None:
        """A session that we started with `peer` is over. `moved`: cells that one of us lacked. One that failed may have
        been to repair something, so another follows, ever later if that fails as well. So do a few after one that moved
        cells, however young: if gossip lost them, others lack them too."""
        self._running.pop(peer, None)
        if ok:
            self._clean.set(peer, repaired == 0)
        self._failed = 0 if ok else self._failed + 1
        follows_up = moved > 0 and self._follow_ups < FOLLOW_UPS_MAX
        self._follow_ups = self._follow_ups + 1 if follows_up else 0
        if not ok or not self._settled() or repaired > 0 or follows_up:
            self.next_at = min(self.next_at, now + AGAIN_SECONDS * 2 ** min(self._failed, 5))

    def _plan(self, now: float) -> None:
        spread = self._interval * (0.5 + self._rng.random())
        self.next_at = now + (spread if self._settled() else AGAIN_SECONDS)

    def _settled(self) -> bool:
        """Whether the latest sessions with two distinct peers, or with the only one there is, left no repair."""
        latest = [clean for _, clean in self._clean.items()][-2:]
        wanted = min(2, max(1, len(self._linked)))
        return len(latest) >= wanted and all(latest[-wanted:])

    def synced(self, now: float, *, has_peers: bool) -> bool:
        """Whether this registry is synced. `has_peers`: it knows of others, by cells, contacts or seeds."""
        if not has_peers:
            return True
        if not self._reached:
            return now - self._started > IN_VAIN_SECONDS
        return self._settled()
