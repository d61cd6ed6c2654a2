"""Laws of the QoS core: total for whatever comes, fair at its caps, medians that a minority cannot move far."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.qos import pages as pages_module
from p2preg.qos import reporter as reporter_module
from p2preg.qos import reports as reports_module
from p2preg.qos.core import QosCore
from p2preg.qos.emodel import quality_mp
from p2preg.qos.estimate import estimate
from p2preg.qos.fair import FairQueue
from p2preg.qos.spread import Spreads, median, mix, spread_of
from p2preg.qos.summary import SPANS_S, Summary, page_of, read_page

T = 1_790_000_000_000
KEYS = [bytes([number]) * 32 for number in range(6)]
GROUPS = ["", "192.0.2.0/24", "198.51.100.0/24"]
BRIEF = settings(max_examples=100, deadline=None)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
NAMES = ("kind", "bitrate", "fractionLost", "roundTripTime", "jitter", "packetsLost", "packetsReceived", "direction")
numbers = st.sampled_from((0, 1, 0.5, -1, 1e9, 70, float("nan"), float("inf"), 2**70, "audio", "video", "send"))
samples = st.dictionaries(st.sampled_from(NAMES), numbers | json_values, max_size=6) | json_values
good_samples = st.fixed_dictionaries(
    {"kind": st.sampled_from(("audio", "video")), "roundTripTime": st.floats(0, 60)},
    optional={"bitrate": st.integers(0, 10**12), "fractionLost": st.floats(0, 1), "jitter": st.floats(0, 1)},
)
bodies = json_values | st.dictionaries(
    st.sampled_from(("formula", "votes_60", "votes_600", "rtt_us_600", "loss_ppm_3600", "?")),
    st.just(1) | json_values | st.lists(st.integers(-1, 10) | json_values, min_size=3, max_size=4),
    max_size=6,
)

reports = st.tuples(
    st.just("report"), st.sampled_from(KEYS), st.sampled_from(GROUPS), st.sampled_from(KEYS),
    st.integers(-700, 10), st.integers(-1, 301), st.lists(good_samples | samples, max_size=3),
)  # fmt: skip
merges = st.tuples(
    st.just("merge"), st.sampled_from(KEYS), st.sampled_from(KEYS), bodies, st.tuples(st.integers(0, 2), st.integers())
)
steps = st.lists(reports | merges | st.tuples(st.just("wait"), st.floats(0, 900)), max_size=20)


@pytest.fixture(autouse=True, scope="module")
def _small_caps() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporter_module, "QOS_WINDOWS_PER_REPORTER_MAX", 3)
        patch.setattr(reports_module, "QOS_WINDOWS_PER_REPORTER_MAX", 3)
        patch.setattr(reports_module, "QOS_REPORTERS_MAX", 3)
        patch.setattr(reports_module, "QOS_SUBJECTS_MAX", 3)
        patch.setattr(reports_module, "QOS_WINDOWS_MAX", 8)
        patch.setattr(pages_module, "QOS_PAGES_MAX", 5)
        yield


@given(steps)
@BRIEF
def test_whatever_comes_the_core_holds_its_invariants_and_its_scales(course: list[Any]) -> None:
    core, now = QosCore(KEYS[0], random.Random(1)), 0.0
    for step in course:
        now_ms = T + round(now * 1_000)
        if step[0] == "report":
            _, reporter, group, subject, start, length, given_samples = step
            begin = now_ms + start * 1_000
            answer = core.report(reporter, group, subject, begin, begin + length * 1_000, given_samples, now, now_ms)
            assert answer["accepted"] + len(answer["rejected"]) == len(given_samples)
            assert all(row["reason"].split(".")[0] in ("sample", "window", "reporter") for row in answer["rejected"])
        elif step[0] == "merge":
            core.merge_page(*step[1:], now)
        else:
            now += step[1]
            core.expire(now, now_ms)
        core.check_invariants()
        for _, body in core.pages_due(now, now_ms):
            assert page_of(read_page(body)) == body
        for subject in KEYS:
            view, found = core.view(subject), core.get(subject, 600, now, now_ms)
            assert 0 <= found["score"] <= 100 and 1 <= found["mos"] <= 4.5 and 0 <= found["confidence"] < 1
            assert view is None or 0 <= view.score_mp <= 100_000
            for name in ("bitrate_bps", "fraction_lost", "round_trip_time_s"):
                spread = found[name]
                assert spread is None or spread["p10"] <= spread["p50"] <= spread["p95"]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.lists(good_samples, min_size=1, max_size=2)), max_size=10))
@BRIEF
def test_when_the_last_window_leaves_nothing_is_left(course: list[Any]) -> None:
    core = QosCore(KEYS[0], random.Random(1))
    for number, (subject, given_samples) in enumerate(course):
        core.report(b"r" * 32, "", subject, T + 10 * number, T + 10 * number + 10, given_samples, 0.0, T + 1_000)
        core.merge_page(KEYS[1], subject, {"formula": 1, "votes_600": [1, 1, 1, 0]}, (1, number), 0.0)
    for now in range(0, 3_800, 50):
        core.expire(float(now), T + now * 1_000)
        core.pages_due(float(now), T + now * 1_000)
        core.check_invariants()
    found = core.statistics()
    assert (found.subjects, found.windows, found.pages, found.views) == (0, 0, 0, 0)


# --- numbers ------------------------------------------------------------------------------------------------

points = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 9)), min_size=1, max_size=12)
spreads = st.lists(st.integers(0, 100), min_size=3, max_size=3).map(sorted).map(lambda s: Spreads(tuple(s)))


@given(points)
@BRIEF
def test_the_median_is_that_of_the_spelled_out_list(given_points: list[tuple[int, int]]) -> None:
    spelled = sorted(value for value, weight in given_points for _ in range(weight))
    low, high = spelled[(len(spelled) - 1) // 2], spelled[len(spelled) // 2]
    assert median(given_points) == (low + high) // 2


@given(points)
@BRIEF
def test_percentiles_are_nearest_ranks_of_the_spelled_out_list(given_points: list[tuple[int, int]]) -> None:
    spelled = sorted(value for value, weight in given_points for _ in range(weight))
    ranks = [-(-permille * len(spelled) // 1_000) for permille in (100, 500, 950)]
    assert spread_of(given_points) == tuple(spelled[rank - 1] for rank in ranks)


@given(st.lists(st.tuples(st.integers(1, 9), spreads), min_size=1, max_size=8))
@BRIEF
def test_a_mixture_is_a_spread_within_its_parts_and_of_one_is_that_one(weighted: list[tuple[int, Spreads]]) -> None:
    mixture = mix(weighted).round_trip_time_us
    parts = [spread for _, s in weighted if (spread := s.round_trip_time_us) is not None]
    assert mixture is not None
    assert min(p[0] for p in parts) <= mixture[0] <= mixture[1] <= mixture[2] <= max(p[2] for p in parts)
    assert mix(weighted[:1]) == weighted[0][1]
    assert mix([*weighted, (3, Spreads())]).round_trip_time_us == mixture
    assert mix([(weight, spread) for weight, spread in weighted for _ in range(2)]).round_trip_time_us == mixture


@given(
    st.lists(st.integers(70_000, 90_000), min_size=6, max_size=12),
    st.lists(st.integers(0, 100_000), max_size=5),
    st.integers(1, 2**32),
)
@BRIEF
def test_a_minority_of_registries_moves_the_score_only_among_honest_values(
    honest: list[int], lies: list[int], claimed: int
) -> None:
    told = [Summary(8, 8, 8, score, Spreads()) for score in honest]
    told += [Summary(claimed, claimed, claimed, score, Spreads()) for score in lies]
    found = estimate(told)
    assert found.observed_mp is not None and min(honest) <= found.observed_mp <= max(honest)


@given(st.lists(st.integers(0, 60_000_000), min_size=2, max_size=2), st.integers(0, 10**6), st.integers(0, 10**6))
@BRIEF
def test_no_worse_number_ever_raises_the_quality(times: list[int], lost: int, bitrate: int) -> None:
    short, long = sorted(times)
    for kind in ("audio", "video"):
        best = quality_mp(kind, short, short, lost, bitrate)
        assert 0 <= best <= 93_000
        assert quality_mp(kind, long, short, lost, bitrate) <= best
        assert quality_mp(kind, short, long, lost, bitrate) <= best
        assert quality_mp(kind, short, short, lost + 1, bitrate) <= best
        assert quality_mp(kind, short, short, lost, max(0, bitrate - 1)) <= best
        assert quality_mp(kind, short, None, lost, None) >= best


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=60))
@BRIEF
def test_the_fair_queue_always_gives_up_the_oldest_of_a_largest_owner(course: list[tuple[bool, int]]) -> None:
    queue: FairQueue[int, int] = FairQueue()
    model: dict[int, list[int]] = {}
    for item, (adds, owner) in enumerate(course):
        if adds or not len(queue):
            queue.add(owner, item)
            model.setdefault(owner, []).append(item)
        else:
            victim = queue.oldest_of_largest()
            most = max(map(len, model.values()))
            assert victim in [items[0] for items in model.values() if len(items) == most]
            gone = victim if item % 2 else model[owner][-1] if model.get(owner) else victim
            queue.remove(gone)
            for items in model.values():
                if gone in items:
                    items.remove(gone)
        queue.check_invariants()


def test_spans_are_what_the_contract_allows() -> None:
    assert (SPANS_S[0], SPANS_S[-1]) == (60, 3_600)
