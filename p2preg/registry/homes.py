"""Which registries are heard, and so whose word on their Media Nodes counts as fresh (docs/architecture.md, Liveness).

A home is heard while its newest batch is no older than three of the intervals it announces, by local receipt on a
monotonic clock: a step of anybody's wall clock kills no one. A registry that may be cut off itself says so instead of
declaring the others' nodes dead (Eureka's self-preservation, with an end)."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from p2preg.base.errors import LocalProtocolError

HEARD_INTERVALS = 3.0
DELAY_SECONDS_MAX = 10.0  # a batch this much slower than the epoch's best is no sign of life: somebody hoarded it
BEST_WINDOW_SECONDS = 600.0
BEST_STEP_SECONDS = 1.0  # between two delays that are kept for later, however many batches a home sends
FIRST_BATCH_AGE_MS_MAX = 300_000
PRESERVING_HOMES_MIN = 3
PRESERVING_SHARE = 0.15
PRESERVING_SECONDS_MAX = 120.0
RECENT_SECONDS = 600.0
PATIENCE_SECONDS_MAX = 30.0  # what one stall of our own event loop can add (Lifeguard's idea)


@dataclass(slots=True)
class Home:
    """One registry, as heard from here. Seconds are of the local monotonic clock. `heard_until`: without patience."""

    since: float
    epoch: int = 0
    heard_at: float | None = None
    heard_until: float = -math.inf
    interval: float = 5.0
    farewell: bool = False
    best: deque[tuple[float, float]] = field(default_factory=deque)  # (receipt, delay), delays rising


class Homes:
    """The liveness of all held registries. Bounded by the number of held registries."""

    def __init__(self, own: bytes, own_epoch: int, now: float) -> None:
        self.own = own
        self.own_epoch = own_epoch
        self._homes: dict[bytes, Home] = {}
        self._silent: dict[bytes, None] = {}  # the verdict: of the last tick, or of a batch since
        self._patience_until = now
        self._patience = 0.0
        self._preserving_since: float | None = None
        self._may_preserve = True

    def add(self, registry: bytes, epoch: int, now: float) -> bool:
        """A held registry cell says `epoch`. True when the epoch is greater than what was known."""
        if registry == self.own:
            return False
        home = self._homes.get(registry)
        if home is None:
            home = self._homes[registry] = Home(since=now)
            self._silent[registry] = None
        if epoch <= home.epoch:
            return False
        home.epoch = epoch
        home.best.clear()
        return True

    def remove(self, registry: bytes) -> None:
        """The registry is no longer held."""
        self._homes.pop(registry, None)
        self._silent.pop(registry, None)

    def epoch(self, registry: bytes) -> int:
        """The greatest epoch known of a registry; 0 when none is."""
        if registry == self.own:
            return self.own_epoch
        home = self._homes.get(registry)
        return home.epoch if home else 0

    def batch(
        self, registry: bytes, epoch: int, uptime_ms: int, interval_ms: int, issued_ms: int, now: float, now_ms: int
    ) -> bool:
        """A verified batch arrived. Whether it is a sign of life; one of a lower epoch never is."""
        home = self._homes.get(registry)
        if home is None or epoch < home.epoch:
            return False
        first = epoch > home.epoch or not home.best
        if epoch > home.epoch:
            home.epoch = epoch
            home.best.clear()
        delay = now - uptime_ms / 1000
        best = self._note_delay(home, delay, now)
        if first and now_ms - issued_ms > FIRST_BATCH_AGE_MS_MAX:
            return False
        if delay - best > DELAY_SECONDS_MAX:
            return False
        home.farewell = interval_ms == 0
        home.interval = max(interval_ms / 1000, 0.1)
        home.heard_at = now
        if home.farewell:
            home.heard_until = -math.inf
            self._silent[registry] = None
        else:
            home.heard_until = now + HEARD_INTERVALS * home.interval
            self._silent.pop(registry, None)
        return True

    @staticmethod
    def _note_delay(home: Home, delay: float, now: float) -> float:
        """Keep a monotone window of delays; its head is the best of the last ten minutes."""
        while home.best and home.best[-1][1] >= delay:
            home.best.pop()
        if not home.best or now - home.best[-1][0] >= BEST_STEP_SECONDS:
            home.best.append((now, delay))
        while home.best[0][0] < now - BEST_WINDOW_SECONDS:
            home.best.popleft()
        return home.best[0][1]

    def stalled(self, seconds: float, now: float) -> None:
        """Our own event loop came `seconds` late: what we did not hear meanwhile is our fault, so wait longer."""
        if seconds < 0:
            raise LocalProtocolError(f"a stall lasts 0 s or more, got {seconds}")
        self._patience = min(seconds, PATIENCE_SECONDS_MAX)
        self._patience_until = now + self._patience

    def heard(self, registry: bytes, now: float) -> bool:
        """Whether the registry is heard right now, with the patience that our own stalls call for."""
        home = self._homes.get(registry)
        return registry == self.own or (home is not None and self._is_heard(home, now))

    def _is_heard(self, home: Home, now: float) -> bool:
        is_patient = now < self._patience_until + HEARD_INTERVALS * home.interval
        return now <= home.heard_until + (self._patience if is_patient else 0.0)

    def _silent_at(self, now: float) -> dict[bytes, None]:
        return {
            registry: None
            for registry, home in self._homes.items()
            if now > home.heard_until and not self._is_heard(home, now)
        }

    def has_fallen_silent(self, registry: bytes, now: float) -> bool:
        """Whether it was heard before, and is not now."""
        home = self._homes.get(registry)
        return home is not None and home.heard_at is not None and not self._is_heard(home, now)

    def counts_as_heard(self, registry: bytes) -> bool:
        """The verdict by which contact is derived. It turns to silent only in `tick`, which judges all homes together
        and so knows whether it is we who are cut off."""
        return registry == self.own or (registry in self._homes and registry not in self._silent)

    def tick(self, now: float) -> list[bytes]:
        """The registries whose verdict changed since the last tick, for their nodes' contact to be derived anew.
        Also decides whether we are cut off; when that changes, every registry is returned."""
        before, self._silent = self._silent, self._silent_at(now)
        changed = [registry for registry in before | self._silent if (registry in before) != (registry in self._silent)]
        was = self.preserving
        self._judge_preserving(now)
        return list(self._homes) if was != self.preserving else changed

    def _judge_preserving(self, now: float) -> None:
        if not self._has_lost_many(now):
            self._preserving_since = None
            self._may_preserve = True
        elif self._may_preserve and self._preserving_since is None:
            self._preserving_since = now
            self._may_preserve = False
        elif self._preserving_since is not None and now - self._preserving_since > PRESERVING_SECONDS_MAX:
            self._preserving_since = None

    def _has_lost_many(self, now: float) -> bool:
        """Whether many of those that were heard in the last ten minutes are silent, without a farewell."""
        if len(self._silent) < PRESERVING_HOMES_MIN:
            return False
        heard_since = now - RECENT_SECONDS
        recent = {
            registry: home
            for registry, home in self._homes.items()
            if home.heard_at is not None and home.heard_at >= heard_since
        }
        lost = sum(not home.farewell for registry, home in recent.items() if registry in self._silent)
        return lost >= PRESERVING_HOMES_MIN and lost > PRESERVING_SHARE * len(recent)

    @property
    def preserving(self) -> bool:
        """Whether this registry assumes that it is cut off, and leaves `live` what was live."""
        return self._preserving_since is not None

    def isolated(self, now: float) -> bool:
        """Whether it hears less than half of the registries that it knows and that said no farewell."""
        silent = self._silent_at(now)
        absent = sum(self._homes[registry].farewell for registry in silent)
        return 2 * (len(self._homes) - len(silent)) < len(self._homes) - absent

    def heartbeat_age(self, registry: bytes, now: float) -> float | None:
        """Seconds since the registry's last sign of life; None before the first. 0 for ourselves."""
        if registry == self.own:
            return 0.0
        home = self._homes.get(registry)
        return None if home is None or home.heard_at is None else now - home.heard_at

    def freshness(self, now: float) -> tuple[int, int, float]:
        """Known registries and heard ones, ourselves among both, and the greatest age of a heartbeat in seconds;
        one that was never heard counts from when it became known."""
        fresh = 1 + len(self._homes) - len(self._silent_at(now))
        ages = [now - (home.since if home.heard_at is None else home.heard_at) for home in self._homes.values()]
        return 1 + len(self._homes), fresh, max(ages, default=0.0)
