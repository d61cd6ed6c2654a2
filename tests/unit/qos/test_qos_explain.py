"""An explanation is enough: the score is computed again from it alone, by code that shares nothing with ours."""

from __future__ import annotations

import json
import math
import statistics
from fractions import Fraction
from typing import Any

from qos_world import BAD, GOOD, T, core, explain, get, key, report

from p2preg.qos.core import QosCore

Row = dict[str, Any]


def stream_quality(part: Row, constants: Row) -> int:
    delay = Fraction(part.get("round_trip_time_us", 0), 2) + 2 * part.get("jitter_us", 0) + constants["buffer_us"]
    lost = part.get("fraction_lost_ppm", 0)
    rating = constants["rating_best"] - 24 * delay - 110 * max(0, delay - constants["knee_us"])
    rating -= constants["loss_worst"] * lost // (lost + constants["loss_half_ppm"])
    found = min(max(math.floor(rating / 1_000 + Fraction(1, 2)), 0), 100_000)
    if "bitrate_bps" in part:
        found = min(found, bitrate_score(part["bitrate_bps"], constants["bitrate_needed_bps"][part["kind"]], constants))
    return found


def bitrate_score(bitrate: int, needed: int, constants: Row) -> int:
    if bitrate == 0:
        return 0
    penalty = 0
    while 2 * bitrate <= needed:
        bitrate, penalty = 2 * bitrate, penalty + int(constants["halving_mp"])
    if bitrate < needed:
        penalty += constants["halving_mp"] * (needed - bitrate) // bitrate
    return max(0, 100_000 - penalty)


def window_quality(window: Row, constants: Row) -> int:
    assert [part["quality_mp"] for part in window["parts"]] == [stream_quality(p, constants) for p in window["parts"]]
    samples = [part["quality_mp"] for part in window["parts"] for _ in range(part["samples"])]
    return sum(samples) // len(samples)


def reporter_quality(reporter: Row, constants: Row) -> int:
    windows = reporter["windows"]
    assert [window["quality_mp"] for window in windows] == [window_quality(window, constants) for window in windows]
    lengths = [window["end_ms"] - window["start_ms"] for window in windows]
    total = sum(window["quality_mp"] * length for window, length in zip(windows, lengths, strict=True))
    return int(total // sum(lengths))


def middle(values: list[int]) -> int:
    return math.floor(Fraction(statistics.median_low(values) + statistics.median_high(values), 2))


def check(explanation: Row) -> int:
    """Compute each step from the one before and compare; the score at the end."""
    constants, own = explanation["constants"], explanation["own"]
    for group in own["groups"]:
        for reporter in group["reporters"]:
            assert reporter["windows_left_out"] == 0
            assert reporter["quality_mp"] == reporter_quality(reporter, constants)
        assert group["quality_mp"] == middle([reporter["quality_mp"] for reporter in group["reporters"]])
    ours = [row for row in explanation["registries"] if row["registry_id"] == own["registry_id"]]
    if own["groups"]:
        assert ours[0]["score_mp"] == middle([group["quality_mp"] for group in own["groups"]])
        assert ours[0]["groups"] == len(own["groups"])
    votes: list[int] = []
    for row in explanation["registries"]:
        assert row["weight"] == min(row["groups"], constants["registry_weight_max"])
        votes += [row["score_mp"]] * row["weight"]
    assert explanation["votes"] == len(votes)
    assert explanation["observed_mp"] == (middle(votes) if votes else None)
    pull, prior = constants["prior_weight"], constants["prior_mp"]
    score = (len(votes) * (middle(votes) if votes else 0) + pull * prior) // (len(votes) + pull)
    assert explanation["score_mp"] == score
    assert explanation["confidence"] == math.floor(Fraction(10**6 * len(votes), len(votes) + pull)) / 10**6
    return int(score)


def busy() -> QosCore:
    registry = core()
    for number in range(12):
        for ago in (0, 20, 45):
            sample = {"kind": "video", "roundTripTime": 0.03 * number, "jitter": 0.002, "fractionLost": 0.004 * number}
            audio = {"kind": "audio", "bitrate": 500 * number, "roundTripTime": 0.02 * number + ago / 1_000}
            report(
                registry, f"alice {number}", sample, sample | {"bitrate": 20_000 * number}, audio, BAD,
                group=f"192.0.{number % 5}.0/24", ago=ago, length=7 + number,
            )  # fmt: skip
    for number, score in enumerate((91_003, 12, 77_777, 64_321)):
        page = {"formula": 1, "votes_600": [3 * number + 1, 40, 90, score], "rtt_us_600": [1, 2, 3]}
        registry.merge_page(key(f"registry {number}"), key("node"), page, (1, 1), 0.0)
    return registry


def test_the_score_follows_from_the_explanation_alone() -> None:
    registry = busy()
    explanation = json.loads(json.dumps(explain(registry)))
    assert check(explanation) / 1_000 == get(registry)["score"] == explanation["score"]
    assert explanation["mos"] == get(registry)["mos"]
    assert len(explanation["registries"]) == 5 and len(explanation["own"]["groups"]) == 5


def test_it_follows_without_reports_or_without_pages_as_well() -> None:
    registry = core()
    assert check(explain(registry)) == 60_000
    report(registry, "alice", GOOD)
    assert check(explain(registry)) > 60_000


def test_a_tampered_explanation_would_not_pass() -> None:
    explanation = explain(busy())
    explanation["own"]["groups"][0]["reporters"][0]["windows"][0]["parts"][0]["quality_mp"] += 1
    try:
        check(explanation)
    except AssertionError:
        return
    raise AssertionError("a changed input was not noticed")


def test_no_key_of_a_reporter_and_no_prefix_is_shown() -> None:
    text = json.dumps(explain(busy()))
    assert "192.0." not in text and key("alice 0").hex() not in text


def test_windows_outside_the_ten_minutes_are_no_inputs() -> None:
    registry = core()
    report(registry, "alice", GOOD)
    report(registry, "bob", BAD, now=300.0)
    shown = explain(registry, now=650.0)
    assert [group["reporters"][0]["windows"][0]["end_ms"] for group in shown["own"]["groups"]] == [T + 300_000]
    check(shown)
