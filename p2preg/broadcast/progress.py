"""How far one origin's batches have come: its epoch, its greatest counter, and the runs of counters missing below.

Only accepted batches count, so nobody but the origin can move it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from p2preg.base.limits import GAP_SPANS_MAX

NEVER = math.inf
LAST = math.nextafter(math.inf, 0)  # later than any time, earlier than never


@dataclass(slots=True)
class Span:
    """Counters low to high, both included, that did not come; `due`: when to report them, infinity if never."""

    low: int
    high: int
    due: float


class Progress:
    """What was accepted from one origin in its latest epoch; `epoch` -1: nothing yet."""

    def __init__(self) -> None:
        self.epoch = -1
        self.highest = 0
        self._missing: list[Span] = []  # ascending, disjoint

    @property
    def missing(self) -> list[tuple[int, int]]:
        return [(span.low, span.high) for span in self._missing]

    @property
    def next_due(self) -> float:
        return min([span.due for span in self._missing]) if self._missing else NEVER

    def is_stale(self, epoch: int) -> bool:
        return epoch < self.epoch

    def has(self, epoch: int, counter: int) -> bool:
        """Whether that batch was accepted. False for an epoch other than the latest."""
        if epoch != self.epoch or counter > self.highest:
            return False
        return not self._missing or not any(span.low <= counter <= span.high for span in self._missing)

    def wants(self, epoch: int, counter: int) -> bool:
        return not self.is_stale(epoch) and not self.has(epoch, counter)

    def accept(self, epoch: int, counter: int, due: float) -> None:
        """A genuine batch of the latest epoch or a later one; what it shows to be missing is to be reported at
        `due`. What came before the first batch we ever heard is never reported: the first session brings it."""
        if epoch > self.epoch:
            due = NEVER if self.epoch < 0 else due
            self.epoch, self.highest, self._missing = epoch, 0, []
        if counter <= self.highest:
            self._fill(counter)
            return
        if counter > self.highest + 1:
            self._missing.append(Span(self.highest + 1, counter - 1, due))
        self.highest = counter
        self._merge_oldest()

    def take_due(self, now: float) -> tuple[int, int] | None:
        """The lowest and the highest counter due for report, which are not due again. They are still missing, and
        are taken if they come after all."""
        due = [span for span in self._missing if span.due <= now]
        for span in due:
            span.due = NEVER
        return (due[0].low, due[-1].high) if due else None

    def take_unreported(self) -> tuple[int, int] | None:
        """The same, without waiting any longer."""
        return self.take_due(LAST)

    def _fill(self, counter: int) -> None:
        for at, span in enumerate(self._missing):
            if span.low <= counter <= span.high:
                halves = [Span(span.low, counter - 1, span.due), Span(counter + 1, span.high, span.due)]
                self._missing[at : at + 1] = [half for half in halves if half.low <= half.high]
                self._merge_oldest()
                return

    def _merge_oldest(self) -> None:
        """Beyond the cap, two runs become one over both: what lies between counts as missing again, and its ids
        are still known."""
        if len(self._missing) > GAP_SPANS_MAX:
            first, second = self._missing[:2]
            self._missing[:2] = [Span(first.low, second.high, min(first.due, second.due))]
