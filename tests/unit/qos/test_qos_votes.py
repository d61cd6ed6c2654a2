"""From reports to a score: votes of groups, the pull to the prior, the spans, and the view that the directory shows."""

from __future__ import annotations

import pytest
from qos_world import BAD, GOOD, NODE, T, core, expire, get, key, report

from p2preg.qos.core import QosCore
from p2preg.qos.view import QosView


def test_without_reports_the_score_is_the_prior_and_nobody_is_sure_of_it() -> None:
    assert get(core()) == {
        "score": 60.0,
        "mos": 3.1,
        "confidence": 0.0,
        "reports": 0,
        "reporters": 0,
        "bitrate_bps": None,
        "fraction_lost": None,
        "round_trip_time_s": None,
        "formula": 1,
        "window_s": 600,
        "by_registry": {},
    }
    assert core().view(NODE) is None


def test_one_reporter_is_shown_in_the_units_of_the_field() -> None:
    registry = core()
    samples = [GOOD | {"roundTripTime": seconds, "fractionLost": 0.01} for seconds in (0.05, 0.2, 0.1)]
    report(registry, "alice", *samples)
    found = get(registry)
    assert found["round_trip_time_s"] == {"p10": 0.05, "p50": 0.1, "p95": 0.2}
    assert found["fraction_lost"] == {"p10": 0.01, "p50": 0.01, "p95": 0.01}
    assert found["bitrate_bps"] == {"p10": 2_500_000, "p50": 2_500_000, "p95": 2_500_000}
    assert (found["reports"], found["reporters"], found["confidence"]) == (1, 1, 0.166666)
    assert 60 < found["score"] < 70 and 1 <= found["mos"] <= 4.5
    assert [row["weight"] for row in found["by_registry"].values()] == [1]


def test_what_nobody_measured_is_null() -> None:
    registry = core()
    report(registry, "alice", {"kind": "audio", "fractionLost": 0.02})
    found = get(registry)
    assert found["fraction_lost"]["p50"] == 0.02
    assert found["bitrate_bps"] is None and found["round_trip_time_s"] is None
    assert registry.view(NODE) == QosView(round(found["score"] * 1_000), 166_666, None, 20_000, None)


def test_more_votes_move_the_score_further_from_the_prior() -> None:
    good, bad = core(), core()
    for number in range(20):
        report(good, f"reporter {number}", GOOD)
        report(bad, f"reporter {number}", BAD)
    assert get(good)["score"] == pytest.approx((8 * 92.72 + 5 * 60) / 13, abs=0.001)
    assert get(bad)["score"] < 30
    assert get(good)["confidence"] == get(bad)["confidence"] == 0.615384  # one registry has eight votes


def test_each_worse_number_lowers_the_score() -> None:
    def score(**change: float) -> float:
        registry = core()
        report(registry, "alice", GOOD | change)
        return float(get(registry)["score"])

    best = score()
    assert score(roundTripTime=0.3) < best and score(fractionLost=0.05) < best
    assert score(bitrate=40_000) < best and score(jitter=0.05) < best
    assert score(bitrate=0) == 50.0


def test_a_reporters_slicing_of_time_does_not_change_its_score() -> None:
    coarse, fine = core(), core()
    report(coarse, "alice", BAD, length=60)
    report(coarse, "alice", GOOD, ago=60, length=60)
    for ago in range(0, 60, 10):
        report(fine, "alice", BAD, ago=ago, length=10)
    report(fine, "alice", GOOD, ago=60, length=60)
    assert get(coarse)["score"] == get(fine)["score"]


# --- hostile reporters --------------------------------------------------------------------------------------


def honest(count: int) -> QosCore:
    """A registry with `count` honest groups, each with its own view of a good node."""
    registry = core()
    for number in range(count):
        sample = GOOD | {"roundTripTime": 0.02 + number / 100}
        report(registry, f"honest {number}", sample, group=f"192.0.{number}.0/24")
    return registry


@pytest.mark.parametrize("keys", [1, 100])
@pytest.mark.parametrize("lie", [BAD, GOOD | {"roundTripTime": 0}])
def test_one_prefix_moves_the_score_no_further_than_to_the_next_honest_vote(keys: int, lie: dict[str, object]) -> None:
    registry = honest(10)
    before = get(registry)
    votes = sorted(92_960 - 12 * (20 + 10 * number) for number in range(10))  # milli-points, the fifth and sixth middle
    for number in range(keys):
        report(registry, f"mallory {number}", lie, lie, group="203.0.113.0/24")
    after = get(registry)
    step = (votes[5] - votes[4]) / 1_000
    assert 0 < abs(after["score"] - before["score"]) <= step
    assert before["round_trip_time_s"]["p50"] == pytest.approx(after["round_trip_time_s"]["p50"], abs=0.01)


def test_many_keys_on_loopback_are_as_many_groups() -> None:
    registry = core()
    for number in range(3):
        report(registry, f"alice {number}")
    assert next(iter(get(registry)["by_registry"].values()))["groups"] == 3


@pytest.mark.parametrize("liars", [1, 2, 3, 4])
def test_the_median_holds_while_liars_are_a_minority(liars: int) -> None:
    registry = honest(10 - liars)
    for number in range(liars):
        for ago in (0, 10, 20):
            report(registry, f"mallory {number}", *[BAD] * 50, group=f"203.0.{number}.0/24", ago=ago)
    assert get(registry)["score"] > 78
    assert get(registry)["round_trip_time_s"]["p50"] < 0.12
    assert get(registry)["fraction_lost"]["p50"] == 0


def test_a_key_that_moves_from_prefix_to_prefix_has_one_vote() -> None:
    registry = core()
    for number in range(5):
        report(registry, "mallory", BAD, group=f"203.0.{number}.0/24", ago=10 * number)
    found = next(iter(get(registry)["by_registry"].values()))
    assert (found["groups"], found["reporters"], found["reports"]) == (1, 1, 5)


def test_a_key_counts_for_the_prefix_it_reported_from_last() -> None:
    registry = core()
    for name in ("alice", "bob"):
        report(registry, name, GOOD, group="192.0.2.0/24", ago=20)
    assert next(iter(get(registry)["by_registry"].values()))["groups"] == 1
    report(registry, "alice", GOOD, group="198.51.100.0/24")
    assert next(iter(get(registry)["by_registry"].values()))["groups"] == 2


# --- time ---------------------------------------------------------------------------------------------------


def test_a_window_is_in_a_span_while_its_end_is() -> None:
    registry = core()
    report(registry, "alice", ago=30)
    assert [get(registry, span, now=29.999)["reports"] for span in (60, 61, 600, 601, 3_600)] == [1] * 5
    assert [get(registry, span, now=30)["reports"] for span in (60, 61, 600, 3_600)] == [0, 1, 1, 1]
    assert [get(registry, span, now=570)["reports"] for span in (600, 601, 3_600)] == [0, 1, 1]
    assert get(registry, 3_600, now=3_570)["reports"] == 0


def test_a_span_that_is_not_kept_is_answered_by_the_next_longer_one() -> None:
    assert [get(core(), span)["window_s"] for span in (60, 61, 600, 601, 3_600)] == [60, 600, 600, 3_600, 3_600]


def test_the_view_follows_reports_at_once_and_time_at_the_next_expire() -> None:
    registry = core()
    report(registry, "alice", GOOD)
    one = registry.view(NODE)
    report(registry, "bob", GOOD, now=300.0)
    both = registry.view(NODE)
    assert one is not None and both is not None and both.score_mp > one.score_mp
    assert expire(registry, 599.0) == []
    assert expire(registry, 601.0) == [NODE] and registry.view(NODE) == one
    assert expire(registry, 901.5) == [NODE] and registry.view(NODE) is None
    assert expire(registry, 1_000.0) == []


def test_the_reports_of_very_many_reporters_are_taken_together() -> None:
    registry = core()
    for number in range(33):
        report(registry, f"alice {number}", GOOD | {"roundTripTime": number / 100})
    before = registry.view(NODE)
    report(registry, "bob", BAD)
    assert registry.view(NODE) == before
    assert get(registry)["reports"] == 34
    assert expire(registry, 0.5) == [NODE]
    assert registry.view(NODE) != before


def test_after_an_hour_nothing_is_kept() -> None:
    registry = core()
    report(registry, "alice", GOOD)
    for now in range(0, 4_000, 30):
        expire(registry, float(now))
    found = registry.statistics()
    assert (found.subjects, found.windows, found.views) == (0, 0, 0)


def test_a_wall_clock_that_steps_ahead_is_noticed_within_a_minute() -> None:
    registry = core()
    report(registry, "alice", GOOD)
    assert registry.expire(61.0, T + 7_200_000) == [NODE]
    assert registry.statistics().windows == 0


def test_the_view_is_what_get_says_over_ten_minutes() -> None:
    registry = honest(7)
    view, found = registry.view(NODE), get(registry)
    assert view == QosView(
        round(found["score"] * 1_000),
        round(found["confidence"] * 1_000_000),
        round(found["round_trip_time_s"]["p50"] * 1_000_000),
        round(found["fraction_lost"]["p50"] * 1_000_000),
        found["bitrate_bps"]["p50"],
    )
    assert registry.view(key("unheard of")) is None
