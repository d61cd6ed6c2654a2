"""Reports counters that did not come, so that a reconciliation brings what their batches held."""

from __future__ import annotations

import math
from collections import Counter

from p2preg.base.effects import Schedule
from p2preg.broadcast.batch import Batch
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.effects import Effect, Gap, NewEpoch
from p2preg.broadcast.origin import Origin


class Gaps:
    """At most one report per origin and `gap_interval`: a reconciliation repairs whatever is missing, not one batch."""

    def __init__(self, config: BroadcastConfig, origins: dict[bytes, Origin], counts: Counter[str]) -> None:
        self._config = config
        self._origins = origins
        self._counts = counts

    def advance(self, batch: Batch, now: float) -> list[Effect]:
        """Note an accepted batch. What was missing of an epoch that ends here is reported now or never."""
        effects: list[Effect] = []
        progress = self._origins[batch.origin].progress
        if batch.epoch > progress.epoch:
            effects.append(NewEpoch(batch.origin, batch.epoch))
            if (span := progress.take_unreported()) is not None:
                effects += self.report(batch.origin, progress.epoch, span, now)
        due_before = progress.next_due
        progress.accept(batch.epoch, batch.counter, now + self._config.gap_patience)
        if progress.next_due < due_before:
            effects.append(Schedule(progress.next_due, _timer(batch.origin)))
        return effects

    def on_timer(self, origin_id: bytes, now: float) -> list[Effect]:
        origin = self._origins.get(origin_id)
        if origin is None or origin.progress.next_due == math.inf:
            return []
        report_at = max(origin.progress.next_due, origin.gap_at + self._config.gap_interval)
        if now < report_at:
            return [Schedule(report_at, _timer(origin_id))]
        span = origin.progress.take_due(now)
        assert span is not None
        effects = self.report(origin_id, origin.progress.epoch, span, now)
        if origin.progress.next_due < math.inf:
            effects.append(Schedule(now + self._config.gap_interval, _timer(origin_id)))
        return effects

    def report(self, origin_id: bytes, epoch: int, span: tuple[int, int], now: float) -> list[Effect]:
        origin = self._origins[origin_id]
        if now - origin.gap_at < self._config.gap_interval:
            return []
        origin.gap_at = now
        self._counts["gaps"] += 1
        return [Gap(origin_id, epoch, *span)]


def _timer(origin_id: bytes) -> tuple[object, ...]:
    return ("broadcast", "gap", origin_id)
