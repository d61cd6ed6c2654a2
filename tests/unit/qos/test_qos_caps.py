"""At the caps: who floods displaces its own."""

from __future__ import annotations

import pytest
from qos_world import BAD, GOOD, NODE, T, core, expire, explain, get, key, report

from p2preg.qos import pages as pages_module
from p2preg.qos import reporter as reporter_module
from p2preg.qos import reports as reports_module
from p2preg.qos.agenda import Agenda
from p2preg.qos.core import QosCore
from p2preg.qos.fair import FairQueue

PAGE = {"formula": 1, "votes_600": [1, 1, 1, 50_000]}


def groups(of: QosCore) -> int:
    return int(next(iter(get(of)["by_registry"].values()))["groups"])


def test_of_too_many_windows_of_one_reporter_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter_module, "QOS_WINDOWS_PER_REPORTER_MAX", 3)
    registry = core()
    for ago in (50, 40, 30, 20):
        report(registry, "alice", ago=ago)
    assert get(registry)["reports"] == 3
    report(registry, "alice", ago=100)  # older than all that are kept
    shown = explain(registry)["own"]["groups"][0]["reporters"][0]["windows"]
    assert [row["end_ms"] for row in shown] == [T - 40_000, T - 30_000, T - 20_000]


def test_of_too_many_reporters_the_prefix_with_most_loses_its_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "QOS_REPORTERS_MAX", 4)
    registry = core()
    for number in range(3):
        report(registry, f"honest {number}", GOOD, group=f"192.0.{number}.0/24", now=float(number))
    for number in range(50):
        report(registry, f"mallory {number}", BAD, group="203.0.113.0/24", now=10.0 + number)
    assert groups(registry) == 4
    assert explain(registry, now=60.0)["own"]["reporters_displaced"] == 49
    assert get(registry, now=60.0)["fraction_lost"]["p50"] == 0


def test_among_equal_prefixes_the_reporter_heard_longest_ago_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "QOS_REPORTERS_MAX", 2)
    registry = core()
    report(registry, "alice", GOOD, ago=50)
    report(registry, "bob", GOOD, now=1.0)
    report(registry, "alice", GOOD, now=2.0)
    report(registry, "carol", GOOD, now=3.0)
    assert report(registry, "alice", GOOD, now=2.0)["accepted"] == 0  # still kept: its window is taken
    assert get(registry, now=3.0)["reports"] == 3  # two of alice and one of carol


def test_of_too_many_windows_the_prefix_with_most_loses_its_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "QOS_WINDOWS_MAX", 10)
    registry = core()
    report(registry, "alice", GOOD, group="192.0.2.0/24", ago=500)
    for number in range(40):
        node = key(f"node {number}")
        report(registry, "mallory", BAD, group="203.0.113.0/24", node=node, now=number / 10)
    assert registry.statistics().windows == 10
    assert get(registry, now=4.0)["reports"] == 1
    expire(registry, 4.0)  # what went is noticed at the next look
    assert registry.view(key("node 0")) is None and registry.view(key("node 39")) is not None


def test_of_too_many_subjects_the_one_reported_on_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "QOS_SUBJECTS_MAX", 2)
    registry = core()
    one, two, three = key("one"), key("two"), key("three")
    report(registry, "alice", node=one, ago=50)
    report(registry, "alice", node=two)
    report(registry, "alice", node=one)
    report(registry, "alice", node=three)
    assert [get(registry, node=node)["reports"] for node in (one, two, three)] == [2, 0, 1]
    assert expire(registry, 0.0) == [two]
    assert registry.view(two) is None


def test_of_too_many_pages_the_registry_with_most_loses_its_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "QOS_PAGES_MAX", 5)
    registry = core()
    registry.merge_page(key("peer"), NODE, PAGE, (1, 1), 0.0)
    for number in range(30):
        registry.merge_page(key("mallory"), key(f"node {number}"), PAGE, (1, number), 1.0)
        registry.check_invariants()
    assert registry.statistics().pages == 5
    assert get(registry, now=1.0)["reports"] == 1
    assert expire(registry, 2.0) == [key(f"node {number}") for number in range(26)]


def test_an_explanation_is_bounded_and_says_what_it_leaves_out() -> None:
    registry = core()
    for number in range(2):
        for ago in range(250):
            registry.report(key(f"alice {number}"), "", NODE, T - 1_000 * ago - 1_000, T - 1_000 * ago, [GOOD], 0.0, T)
    reporters = [group["reporters"][0] for group in explain(registry)["own"]["groups"]]
    assert [(len(row["windows"]), row["windows_left_out"]) for row in reporters] == [(192, 58)] * 2
    assert reporters[0]["windows"][-1]["end_ms"] == T


def test_the_fair_queue_names_the_oldest_of_whoever_has_most() -> None:
    queue: FairQueue[str, int] = FairQueue()
    for item, owner in enumerate("abbbcc"):
        queue.add(owner, item)
        queue.check_invariants()
    gone = []
    while len(queue):
        gone.append(queue.oldest_of_largest())
        queue.remove(gone[-1])
        queue.check_invariants()
    assert gone == [1, 4, 2, 0, 5, 3]


def test_an_agenda_only_brings_forward() -> None:
    agenda = Agenda()
    agenda.no_later_than(b"a", 5.0)
    agenda.no_later_than(b"a", 9.0)
    agenda.no_later_than(b"b", 7.0)
    agenda.no_later_than(b"b", 3.0)
    assert list(agenda.due(4.0)) == [b"b"] and list(agenda.due(5.0)) == [b"a"] and len(agenda) == 0
    agenda.no_later_than(b"b", 9.0)
    assert b"b" in agenda and list(agenda.due(8.0)) == []
