"""The QoS core: reports come in at this registry's door, summaries go out as pages and come in from the others, and one
estimate of each node follows from both (docs/qos.md).

Deciding what a score is good for is not its business: scores order answers, they never remove a node."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from p2preg.base.limits import QOS_PAGES_PER_TICK_MAX
from p2preg.qos.agenda import Agenda
from p2preg.qos.estimate import Estimate, estimate
from p2preg.qos.pages import PAGE_LIFE_SECONDS, Pages
from p2preg.qos.reports import Reports
from p2preg.qos.sample import Sample, SampleInvalid, parse_sample
from p2preg.qos.shown import shown_estimate, shown_explanation
from p2preg.qos.statistics import QosStatistics
from p2preg.qos.summary import SPANS_S, VIEW_SPAN_S, PageInvalid, Summary, page_of, read_page, span_for
from p2preg.qos.view import QosView
from p2preg.qos.window import refuse_window, window_of

if TYPE_CHECKING:
    from random import Random

PUBLISH_SECONDS = 5.0  # least time between two pages about one subject
REFRESH_SECONDS = 45.0  # at most this between them: one may be lost before a page ends
REFRESH_SPREAD = 0.2  # of that time, at random, so that what began together does not stay together
MANY = 32  # reporters here, or registries with a page, on one subject; beyond, news wait for the next `expire`
WAKE_MIN_SECONDS, WAKE_MAX_SECONDS = 1.0, 60.0  # Unix time may step, so nothing relies on it for longer


class QosCore:
    """`now`: monotonic seconds; `now_ms`: Unix milliseconds. Groups are address prefixes, "" where they tell nothing
    apart (loopback) and each key is a group."""

    def __init__(self, own_id: bytes, rng: Random) -> None:
        self._own_id = own_id
        self._rng = rng
        self._reports = Reports()
        self._pages = Pages()
        self._own: dict[bytes, Summary] = {}  # our own word over the view's span
        self._views: dict[bytes, QosView] = {}
        self._published: dict[bytes, float] = {}  # subjects with a page that lives, and when it went out
        self._wakes = Agenda()  # when time changes a view
        self._publications = Agenda()
        self._counts: Counter[str] = Counter()

    # --- the door -------------------------------------------------------------------------------------------

    def report(
        self,
        reporter: bytes,
        group: str,
        subject: bytes,
        start_ms: int,
        end_ms: int,
        samples: list[Any],
        now: float,
        now_ms: int,
    ) -> dict[str, Any]:
        """The result of `qos.report`: how many samples were accepted, and why each other one was not. A window that
        can't be refuses them all. A node's word on itself counts as any key's would: it could make another key."""
        reason = self._refuse(reporter, subject, start_ms, end_ms, now_ms)
        good, rejected = _judge(samples, reason)
        self._counts["samples"] += len(good)
        self._counts["samples_refused"] += len(rejected)
        self._counts["reports" if good else "reports_refused"] += 1
        if good:
            self._drop_ended(subject, now, now_ms)
            window = window_of(start_ms, end_ms, good)
            for other in self._reports.add(subject, reporter, group or reporter.hex(), window, now):
                self._wakes.no_later_than(other, now)
            self._reported(subject, now, now_ms)
        return {"accepted": len(good), "rejected": rejected}

    def get(self, subject: bytes, window_s: int, now: float, now_ms: int) -> dict[str, Any]:
        """The result of `qos.get`, over the least of 60, 600 and 3600 s that covers `window_s`."""
        span = span_for(window_s)
        summaries = self._summaries(subject, span, now, now_ms)
        return shown_estimate(estimate(list(summaries.values())), summaries, span)

    def explain(self, subject: bytes, now: float, now_ms: int) -> dict[str, Any]:
        """The result of `qos.explain`: all that leads to the score over 600 s."""
        summaries = self._summaries(subject, VIEW_SPAN_S, now, now_ms)
        return shown_explanation(
            estimate(list(summaries.values())),
            summaries,
            self._own_id,
            self._reports.votes(subject, VIEW_SPAN_S, now_ms),
            self._reports.displaced(subject),
            (VIEW_SPAN_S, now_ms),
        )

    def view(self, subject: bytes) -> QosView | None:
        """The estimate over 600 s as of the last change; None when nobody has reported."""
        return self._views.get(subject)

    def _refuse(self, reporter: bytes, subject: bytes, start_ms: int, end_ms: int, now_ms: int) -> str | None:
        reason = refuse_window(start_ms, end_ms, now_ms)
        if reason is None and self._reports.overlaps(subject, reporter, start_ms, end_ms):
            return "window.overlap"
        return reason

    def _reported(self, subject: bytes, now: float, now_ms: int) -> None:
        """A report was kept: it shows here now, and soon elsewhere."""
        if self._reports.reporters(subject) > MANY:
            self._wakes.no_later_than(subject, now)
        else:
            self._recompute(subject, now, now_ms)
        published = self._published.get(subject)
        self._publications.no_later_than(subject, now if published is None else published + PUBLISH_SECONDS)

    # --- pages ----------------------------------------------------------------------------------------------

    def pages_due(self, now: float, now_ms: int) -> list[tuple[bytes, dict[str, Any]]]:
        """(subject, body) of the pages to publish now: after new reports, and again while they last."""
        pages = []
        for subject in self._publications.due(now):
            summaries = self._reports.summaries(subject, SPANS_S, now_ms)
            if not summaries:
                self._published.pop(subject, None)
                continue
            pages.append((subject, page_of(summaries)))
            self._published[subject] = now
            self._publications.no_later_than(subject, now + REFRESH_SECONDS * (1 - REFRESH_SPREAD * self._rng.random()))
            if len(pages) == QOS_PAGES_PER_TICK_MAX:
                break
        self._counts["pages_published"] += len(pages)
        return pages

    def publish_again(self, now: float) -> None:
        """Somebody may have missed the pages so far: all of them are due."""
        for subject in self._published:
            self._publications.no_later_than(subject, now)

    def merge_page(self, registry: bytes, subject: bytes, body: Any, order: tuple[int, int], now: float) -> bool:
        """Take in another registry's summary; whether the view changed, as far as that was looked at. Older pages and
        invalid ones do nothing."""
        if registry == self._own_id or not self._pages.is_newer(subject, registry, order):
            self._counts["pages_stale"] += 1
            return False
        try:
            summaries = read_page(body)
        except PageInvalid:
            self._counts["pages_invalid"] += 1
            return False
        self._counts["pages_merged"] += 1
        victim = self._pages.put(subject, registry, order, summaries, now)
        if victim != subject:
            self._wakes.no_later_than(victim, now)
        self._wakes.no_later_than(subject, now + PAGE_LIFE_SECONDS)
        if self._pages.count(subject) > MANY:
            self._wakes.no_later_than(subject, now)
            return False
        return self._review(subject, now)

    # --- time -----------------------------------------------------------------------------------------------

    def expire(self, now: float, now_ms: int) -> list[bytes]:
        """Let time pass; the subjects whose view changed by it."""
        changed = []
        for subject in self._wakes.due(now):
            self._drop_ended(subject, now, now_ms)
            if self._recompute(subject, now, now_ms):
                changed.append(subject)
        return changed

    def _drop_ended(self, subject: bytes, now: float, now_ms: int) -> None:
        self._reports.drop_ended(subject, now_ms)
        self._pages.drop_ended(subject, now)

    def _recompute(self, subject: bytes, now: float, now_ms: int) -> bool:
        """Our own word on it and the view anew, and when to look again; whether the view changed."""
        own = self._reports.summaries(subject, (VIEW_SPAN_S,), now_ms).get(VIEW_SPAN_S)
        if own is not None:
            self._own[subject] = own
        else:
            self._own.pop(subject, None)
        next_ms = self._reports.next_change_ms(subject, now_ms)
        if next_ms is not None:
            wait = min(max((next_ms - now_ms) / 1_000, WAKE_MIN_SECONDS), WAKE_MAX_SECONDS)
            self._wakes.no_later_than(subject, now + wait)
        next_end = self._pages.next_end(subject)
        if next_end is not None:
            self._wakes.no_later_than(subject, next_end)
        return self._review(subject, now)

    def _review(self, subject: bytes, now: float) -> bool:
        summaries = list(self._pages.summaries(subject, VIEW_SPAN_S, now).values())
        if subject in self._own:
            summaries.append(self._own[subject])
        before = self._views.pop(subject, None)
        if summaries:
            self._views[subject] = _view_of(estimate(summaries))
        return self._views.get(subject) != before

    def _summaries(self, subject: bytes, span_s: int, now: float, now_ms: int) -> dict[bytes, Summary]:
        """By registry, our own first."""
        own = self._reports.summaries(subject, (span_s,), now_ms)
        ours = {self._own_id: own[span_s]} if own else {}
        return ours | self._pages.summaries(subject, span_s, now)

    # --- questions ------------------------------------------------------------------------------------------

    def statistics(self) -> QosStatistics:
        return QosStatistics(
            **self._counts,
            subjects=len(self._reports),
            windows=self._reports.windows,
            pages=len(self._pages),
            views=len(self._views),
        )

    def check_invariants(self) -> None:
        self._reports.check_invariants()
        self._pages.check_invariants()
        assert all(subject in self._reports or subject in self._wakes for subject in self._own)
        assert len(self._views) <= len(self._own) + len(self._pages) + len(self._wakes)
        assert all(subject in self._publications for subject in self._published)


def _judge(samples: list[Any], reason: str | None) -> tuple[list[Sample], list[dict[str, Any]]]:
    """The good samples, and the others with why; all of them for `reason`, if there is one."""
    if reason is not None:
        return [], [{"index": index, "reason": reason} for index in range(len(samples))]
    good: list[Sample] = []
    rejected: list[dict[str, Any]] = []
    for index, raw in enumerate(samples):
        try:
            good.append(parse_sample(raw))
        except SampleInvalid as error:
            rejected.append({"index": index, "reason": error.reason})
    return good, rejected


def _view_of(found: Estimate) -> QosView:
    spreads = found.spreads
    return QosView(
        score_mp=found.score_mp,
        confidence_ppm=found.confidence_ppm,
        round_trip_time_us=spreads.round_trip_time_us and spreads.round_trip_time_us[1],
        fraction_lost_ppm=spreads.fraction_lost_ppm and spreads.fraction_lost_ppm[1],
        bitrate_bps=spreads.bitrate_bps and spreads.bitrate_bps[1],
    )
