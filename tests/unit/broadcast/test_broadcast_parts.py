"""The small parts of the broadcast: progress, cache, graft timeout, link."""

from __future__ import annotations

import math

import pytest
from broadcast_harness import announcement_of, batch_by, key_of

from p2preg.broadcast.cache import PayloadCache
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.graft_timeout import GraftTimeout
from p2preg.broadcast.link import Link
from p2preg.broadcast.progress import Progress
from p2preg.wire.messages import IHave, Prune

ORIGIN = key_of("origin")


def accept_all(counters: list[int]) -> Progress:
    progress = Progress()
    for counter in counters:
        progress.accept(1, counter, due=10.0)
    return progress


def test_counters_that_did_not_come_are_missing() -> None:
    assert accept_all([1, 2, 5, 9]).missing == [(3, 4), (6, 8)]


def test_a_late_counter_splits_the_run_it_was_missing_from() -> None:
    assert accept_all([1, 9, 5]).missing == [(2, 4), (6, 8)]


def test_a_repeated_counter_changes_nothing() -> None:
    assert accept_all([1, 5, 5, 1]).missing == [(2, 4)]


def test_a_new_epoch_starts_from_one() -> None:
    progress = accept_all([1, 5])
    progress.accept(2, 2, due=20.0)
    assert (progress.epoch, progress.highest, progress.missing) == (2, 2, [(1, 1)])
    assert progress.is_stale(1)
    assert not progress.wants(1, 3)
    assert progress.wants(2, 1)


def test_a_reported_counter_is_reported_once_and_still_wanted() -> None:
    progress = accept_all([1, 5])
    assert progress.take_due(9.0) is None
    assert progress.take_due(10.0) == (2, 4)
    assert progress.take_due(11.0) is None
    assert progress.wants(1, 3)


def test_more_runs_than_the_cap_become_fewer_and_lose_no_missing_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.progress.GAP_SPANS_MAX", 3)
    progress = accept_all([1, 3, 5, 7, 9, 11])
    assert len(progress.missing) == 3
    assert all(progress.wants(1, counter) for counter in (2, 4, 6, 8, 10))


def test_the_oldest_payloads_make_room_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.cache.CACHED_BATCHES_MAX", 2)
    cache = PayloadCache()
    for name in (b"a", b"b", b"c"):
        cache.add(name, b"payload", now=0.0)
    assert [cache.get(name, 0.0) for name in (b"a", b"b", b"c")] == [None, b"payload", b"payload"]
    assert cache.bytes == 14


def test_the_oldest_payloads_make_room_when_they_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.cache.CACHED_BYTES_MAX", 100)
    cache = PayloadCache()
    for name in (b"a", b"b", b"c"):
        cache.add(name, bytes(40), now=0.0)
    assert (len(cache), cache.bytes) == (2, 80)


def test_a_payload_is_kept_for_a_minute() -> None:
    cache = PayloadCache()
    cache.add(b"a", b"payload", now=0.0)
    assert cache.get(b"a", 59.9) == b"payload"
    assert cache.get(b"a", 60.0) is None
    cache.add(b"b", b"other", now=60.0)
    assert (len(cache), cache.bytes) == (1, 5)


def test_the_graft_timeout_is_twice_the_late_arrivals_within_its_bounds() -> None:
    timeout = GraftTimeout(BroadcastConfig())
    assert (timeout.first, timeout.retry) == (1.0, 0.5)
    for _ in range(16):
        timeout.observe(0.4)
    assert timeout.first == pytest.approx(0.8)
    for _ in range(256):
        timeout.observe(9.0)
    assert timeout.first == 2.0
    for _ in range(256):
        timeout.observe(0.0)
    assert timeout.first == 0.25


def test_a_few_stragglers_do_not_move_the_graft_timeout() -> None:
    timeout = GraftTimeout(BroadcastConfig())
    for at in range(256):
        timeout.observe(1.0 if at % 32 == 0 else 0.1)
    assert timeout.first == 0.25


def test_a_link_splits_what_waits_into_messages_of_512(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.link.ITEMS_PER_MESSAGE_MAX", 2)
    link, batches = Link(0.3), [batch_by(ORIGIN, counter) for counter in (1, 2, 3)]
    for batch in batches:
        link.announce(batch.batch_id, (1.0, announcement_of(batch)))
    link.prunes[ORIGIN.public] = 1.0
    a, b, c = map(announcement_of, batches)
    assert link.flush() == [Prune([ORIGIN.public]), IHave([a, b]), IHave([c])]
    assert link.flush() == []


def test_a_link_is_due_when_what_waits_longest_is() -> None:
    link, batches = Link(0.3), [batch_by(ORIGIN, counter) for counter in (1, 2)]
    assert link.due == math.inf
    for batch, since in zip(batches, (1.0, 2.0), strict=True):
        link.announce(batch.batch_id, (since, announcement_of(batch)))
    assert link.due == 1.3
    link.has(batches[0].batch_id)
    assert link.due == 2.3
    link.prunes[ORIGIN.public] = 1.5
    assert link.due == 1.5


def test_promises_broken_long_ago_do_not_count() -> None:
    link = Link(0.3)
    for at in range(40):
        assert not link.break_promise(now=at * 3.0, demotion=60.0)
    assert not link.is_demoted(120.0)
