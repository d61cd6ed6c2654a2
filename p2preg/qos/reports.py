"""The reports that this registry has accepted in the last hour: windows of reporters about subjects, bounded in each
direction so that whoever floods displaces its own. Nothing here is replicated; the summaries are."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise

from p2preg.base.limits import (
    QOS_REPORTERS_MAX,
    QOS_SUBJECTS_MAX,
    QOS_WINDOWS_MAX,
    QOS_WINDOWS_PER_REPORTER_MAX,
)
from p2preg.qos.fair import FairQueue
from p2preg.qos.reporter import Reporter
from p2preg.qos.summary import Summaries
from p2preg.qos.vote import Vote, summary_of, votes_of
from p2preg.qos.window import Window


@dataclass(slots=True)
class _Subject:
    """`displaced`: reporters that had to go because there were too many."""

    reporters: dict[bytes, Reporter] = field(default_factory=dict)
    displaced: int = 0


class Reports:
    """Subjects in the order of their latest report, the oldest first."""

    def __init__(self) -> None:
        self._subjects: OrderedDict[bytes, _Subject] = OrderedDict()
        self._queue: FairQueue[str, tuple[bytes, bytes, int]] = FairQueue()  # (subject, reporter, end_ms) by group

    def __len__(self) -> int:
        return len(self._subjects)

    def __contains__(self, subject: bytes) -> bool:
        return subject in self._subjects

    def reporters(self, subject: bytes) -> int:
        """How many have reported on it."""
        return len(self._subjects[subject].reporters) if subject in self._subjects else 0

    @property
    def windows(self) -> int:
        return len(self._queue)

    def displaced(self, subject: bytes) -> int:
        """How many of its reporters had to make room for others."""
        return self._subjects[subject].displaced if subject in self._subjects else 0

    def overlaps(self, subject: bytes, reporter: bytes, start_ms: int, end_ms: int) -> bool:
        known = self._subjects.get(subject)
        entry = known.reporters.get(reporter) if known else None
        return entry is not None and entry.overlaps(start_ms, end_ms)

    def add(self, subject: bytes, reporter: bytes, group: str, window: Window, now: float) -> list[bytes]:
        """Keep a report whose window overlaps none; the other subjects of which something had to go for it. All
        windows of a reporter count for the group it reported from last, so that moving about gives no second vote."""
        known = self._subjects.pop(subject, None) or _Subject()
        self._subjects[subject] = known
        touched = self._make_room_for_subject()
        if reporter not in known.reporters:
            if len(known.reporters) == QOS_REPORTERS_MAX:
                self._displace(subject, known, group)
            known.reporters[reporter] = Reporter(group, now)
        entry = known.reporters[reporter]
        entry.group, entry.heard = group, now
        self._queue.add(group, (subject, reporter, window.end_ms))
        for old in entry.add(window):
            self._queue.remove((subject, reporter, old.end_ms))
        if len(self._queue) > QOS_WINDOWS_MAX:
            touched.append(self._forget_window(*self._queue.oldest_of_largest()))
        return [other for other in touched if other != subject]

    def votes(self, subject: bytes, span_s: int, now_ms: int) -> list[Vote]:
        known = self._subjects.get(subject)
        return votes_of(known.reporters.values(), span_s, now_ms) if known else []

    def summaries(self, subject: bytes, spans: tuple[int, ...], now_ms: int) -> Summaries:
        """What is to be said over each of `spans`; those without reports are left out."""
        found = {span: summary_of(self.votes(subject, span, now_ms)) for span in spans}
        return {span: summary for span, summary in found.items() if summary is not None}

    def drop_ended(self, subject: bytes, now_ms: int) -> None:
        """Forget the subject's windows that even the longest span leaves out."""
        known = self._subjects.get(subject)
        for key, reporter in list(known.reporters.items()) if known else ():
            for window in reporter.drop_ended(now_ms):
                self._queue.remove((subject, key, window.end_ms))
            self._tidy(subject, key)

    def next_change_ms(self, subject: bytes, now_ms: int) -> int | None:
        """When time will next change what its reports say; None when there are none."""
        known = self._subjects.get(subject)
        return min(reporter.next_leaves_ms(now_ms) for reporter in known.reporters.values()) if known else None

    def _make_room_for_subject(self) -> list[bytes]:
        if len(self._subjects) <= QOS_SUBJECTS_MAX:
            return []
        oldest = next(iter(self._subjects))
        for key in list(self._subjects[oldest].reporters):
            self._forget_reporter(oldest, key)
        del self._subjects[oldest]
        return [oldest]

    def _displace(self, subject: bytes, known: _Subject, newcomer: str) -> None:
        """Of the groups with most reporters, the newcomer counted, the reporter heard longest ago goes: many keys
        behind one prefix displace each other, never the only reporter of another."""
        sizes = Counter([newcomer, *(reporter.group for reporter in known.reporters.values())])
        most = max(sizes.values())
        _, key = min(
            (reporter.heard, key) for key, reporter in known.reporters.items() if sizes[reporter.group] == most
        )
        self._forget_reporter(subject, key)
        known.displaced += 1

    def _forget_reporter(self, subject: bytes, key: bytes) -> None:
        for window in self._subjects[subject].reporters.pop(key).windows:
            self._queue.remove((subject, key, window.end_ms))

    def _forget_window(self, subject: bytes, key: bytes, end_ms: int) -> bytes:
        self._queue.remove((subject, key, end_ms))
        self._subjects[subject].reporters[key].remove(end_ms)
        self._tidy(subject, key)
        return subject

    def _tidy(self, subject: bytes, key: bytes) -> None:
        reporters = self._subjects[subject].reporters
        if not reporters[key].windows:
            del reporters[key]
        if not reporters:
            del self._subjects[subject]

    def check_invariants(self) -> None:
        self._queue.check_invariants()
        assert len(self._subjects) <= QOS_SUBJECTS_MAX and len(self._queue) <= QOS_WINDOWS_MAX
        reporters = [reporter for known in self._subjects.values() for reporter in known.reporters.values()]
        assert all(0 < len(known.reporters) <= QOS_REPORTERS_MAX for known in self._subjects.values())
        assert sum(len(reporter.windows) for reporter in reporters) == len(self._queue)
        for windows in (reporter.windows for reporter in reporters):
            assert 0 < len(windows) <= QOS_WINDOWS_PER_REPORTER_MAX
            assert all(a.end_ms <= b.start_ms for a, b in pairwise(windows))
