"""One reporter's windows for one node, and what they say together over a span: this reporter's share of a vote."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

from p2preg.base.limits import QOS_WINDOWS_PER_REPORTER_MAX
from p2preg.qos.spread import Spreads, mix
from p2preg.qos.summary import SPANS_S, VIEW_SPAN_S
from p2preg.qos.window import Window


@dataclass(frozen=True, slots=True)
class Share:
    """The mean quality, in milli-points, of `reports` windows weighted by their length, and their spreads weighted by
    their samples: how a reporter slices its time makes no difference to the first."""

    quality_mp: int
    reports: int
    spreads: Spreads


class Reporter:
    """Windows that do not overlap, in the order of time. `heard`: monotonic seconds of the latest report."""

    def __init__(self, group: str, heard: float) -> None:
        self.group = group
        self.heard = heard
        self.windows: list[Window] = []
        self._changes = 0
        self._shares: dict[int, tuple[tuple[int, int], Share | None]] = {}

    def overlaps(self, start_ms: int, end_ms: int) -> bool:
        first = bisect_right(self.windows, start_ms, key=_end)
        return first < len(self.windows) and self.windows[first].start_ms < end_ms

    def add(self, window: Window) -> list[Window]:
        """Keep `window`, which overlaps none; the oldest ones that had to go for it."""
        insort(self.windows, window, key=_end)
        self._changes += 1
        return self._take(len(self.windows) - QOS_WINDOWS_PER_REPORTER_MAX)

    def remove(self, end_ms: int) -> None:
        """Forget the window that ends at `end_ms`, if it is kept."""
        at = bisect_left(self.windows, end_ms, key=_end)
        if at < len(self.windows) and self.windows[at].end_ms == end_ms:
            del self.windows[at]
            self._changes += 1

    def drop_ended(self, now_ms: int) -> list[Window]:
        """Forget, and return, the windows that even the longest span leaves out."""
        return self._take(self._first(SPANS_S[-1], now_ms))

    def within(self, span_s: int, now_ms: int) -> list[Window]:
        """The windows that end in the last `span_s` seconds."""
        return self.windows[self._first(span_s, now_ms) :]

    def share(self, span_s: int, now_ms: int) -> Share | None:
        """What they say; None when there is none. Computed anew only when a window has come or gone."""
        state = (self._changes, self._first(span_s, now_ms))
        known = self._shares.get(span_s)
        if known is not None and known[0] == state:
            return known[1]
        share = _share_of(self.windows[state[1] :])
        self._shares[span_s] = (state, share)
        return share

    def next_leaves_ms(self, now_ms: int) -> int:
        """When the next window leaves the view's span or the longest one. There must be a window."""
        leaves = self.windows[0].end_ms + SPANS_S[-1] * 1_000
        for window in self.within(VIEW_SPAN_S, now_ms)[:1]:
            leaves = min(leaves, window.end_ms + VIEW_SPAN_S * 1_000)
        return leaves

    def _first(self, span_s: int, now_ms: int) -> int:
        return bisect_right(self.windows, now_ms - span_s * 1_000, key=_end)

    def _take(self, count: int) -> list[Window]:
        taken = self.windows[: max(0, count)]
        if taken:
            del self.windows[: len(taken)]
            self._changes += 1
        return taken


def _end(window: Window) -> int:
    return window.end_ms


def _share_of(windows: list[Window]) -> Share | None:
    if not windows:
        return None
    lengths = [window.end_ms - window.start_ms for window in windows]
    quality = sum(window.quality_mp * length for window, length in zip(windows, lengths, strict=True))
    spreads = mix([(part.samples, part.spreads) for window in windows for part in window.parts])
    return Share(quality // sum(lengths), len(windows), spreads)
