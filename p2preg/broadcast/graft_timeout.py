"""How long to wait for an announced batch before asking for it, from how late the tree's own copies were lately."""

from __future__ import annotations

from collections import deque

from p2preg.broadcast.config import BroadcastConfig

SAMPLES = 256  # the latest gaps looked at
SAMPLES_MIN = 16  # fewer say nothing; also how many new ones make it worth to look again


class GraftTimeout:
    """t1 = 2 × the 95th percentile of (eager arrival − first IHAVE), within the configured bounds; t2 = t1 / 2."""

    def __init__(self, config: BroadcastConfig) -> None:
        self._config = config
        self._gaps: deque[float] = deque(maxlen=SAMPLES)
        self._unread = 0
        self.first = config.graft_timeout_initial

    @property
    def retry(self) -> float:
        return self.first / 2

    def observe(self, gap: float) -> None:
        """A copy came along the tree `gap` seconds after the first announcement of it."""
        self._gaps.append(gap)
        self._unread += 1
        if self._unread >= SAMPLES_MIN:
            self._unread = 0
            late = sorted(self._gaps)[len(self._gaps) * 95 // 100]
            self.first = min(max(2 * late, self._config.graft_timeout_min), self._config.graft_timeout_max)
