"""Timers as data."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from p2preg.base.timers import SUPERSEDED_MAX, TimerQueue


def test_timers_are_due_earliest_first_and_once() -> None:
    timers = TimerQueue()
    timers.set("late", 3.0)
    timers.set("early", 1.0)
    assert timers.next_deadline() == 1.0
    assert list(timers.pop_due(5.0)) == ["early", "late"]
    assert list(timers.pop_due(5.0)) == []


def test_moving_a_timer_without_end_keeps_the_queue_small() -> None:
    timers = TimerQueue()
    timers.set("other", 1e9)
    for time in range(20 * SUPERSEDED_MAX):
        timers.set("moved", 60.0 + time)
        timers.set("moved", 60.0 + time)
    assert len(timers._heap) <= SUPERSEDED_MAX + 5
    assert list(timers.pop_due(60.0 + 20 * SUPERSEDED_MAX)) == ["moved"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=80))
def test_the_last_time_set_is_the_one_that_counts(moves: list[tuple[int, int]]) -> None:
    timers, last = TimerQueue(), dict[int, float]()
    for timer, at in moves:
        timers.set(timer, float(at))
        last[timer] = float(at)
    popped = list(timers.pop_due(9.0))
    assert sorted(popped) == sorted(last)
    assert [last[timer] for timer in popped] == sorted(last.values())  # type: ignore[index]
