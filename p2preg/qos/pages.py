"""What the other registries said last about each subject. A page lives 120 s from its receipt and gives way only to a
later one of its registry; a registry that floods displaces its own."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.limits import QOS_PAGES_MAX
from p2preg.qos.fair import FairQueue
from p2preg.qos.summary import Summaries, Summary

PAGE_LIFE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class HeldPage:
    """`order`: the registry's (epoch, counter); `ends`: monotonic seconds."""

    order: tuple[int, int]
    ends: float
    summaries: Summaries


class Pages:
    """One page for each subject and registry."""

    def __init__(self) -> None:
        self._subjects: dict[bytes, dict[bytes, HeldPage]] = {}
        self._queue: FairQueue[bytes, tuple[bytes, bytes]] = FairQueue()  # (subject, registry) by registry

    def __len__(self) -> int:
        return len(self._queue)

    def count(self, subject: bytes) -> int:
        """How many registries speak of it."""
        return len(self._subjects.get(subject, ()))

    def is_newer(self, subject: bytes, registry: bytes, order: tuple[int, int]) -> bool:
        """Whether a page of that order would replace what is held."""
        held = self._subjects.get(subject, {}).get(registry)
        return held is None or order > held.order

    def put(self, subject: bytes, registry: bytes, order: tuple[int, int], summaries: Summaries, now: float) -> bytes:
        """Hold a page that is newer; the subject of which a page had to go for it, or `subject`."""
        self._remove(subject, registry)
        self._subjects.setdefault(subject, {})[registry] = HeldPage(order, now + PAGE_LIFE_SECONDS, summaries)
        self._queue.add(registry, (subject, registry))
        if len(self._queue) <= QOS_PAGES_MAX:
            return subject
        victim, its_registry = self._queue.oldest_of_largest()
        self._remove(victim, its_registry)
        return victim

    def summaries(self, subject: bytes, span_s: int, now: float) -> dict[bytes, Summary]:
        """By registry, what the pages that have not ended say over the span."""
        return {
            registry: page.summaries[span_s]
            for registry, page in self._subjects.get(subject, {}).items()
            if now < page.ends and span_s in page.summaries
        }

    def drop_ended(self, subject: bytes, now: float) -> None:
        for registry, page in list(self._subjects.get(subject, {}).items()):
            if now >= page.ends:
                self._remove(subject, registry)

    def next_end(self, subject: bytes) -> float | None:
        """When the next page about it ends, in monotonic seconds; None when there is none."""
        return min((page.ends for page in self._subjects.get(subject, {}).values()), default=None)

    def _remove(self, subject: bytes, registry: bytes) -> None:
        held = self._subjects.get(subject, {})
        if held.pop(registry, None) is not None:
            self._queue.remove((subject, registry))
            if not held:
                del self._subjects[subject]

    def check_invariants(self) -> None:
        self._queue.check_invariants()
        assert len(self._queue) <= QOS_PAGES_MAX
        assert all(self._subjects.values()) and sum(map(len, self._subjects.values())) == len(self._queue)
