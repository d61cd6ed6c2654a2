"""What a report must be, and what becomes of one that is not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from qos_world import BAD, GOOD, NODE, OTHER_NODE, T, core, get, key, rejected, report

from p2preg.qos.sample import SampleInvalid, parse_sample


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "screen"}, "sample.kind"),
        ({"kind": None}, "sample.kind"),
        ({"kind": ["audio"]}, "sample.kind"),
        ({"direction": "sideways"}, "sample.direction"),
        ({"direction": None}, "sample.direction"),
        ({"fractionLost": -0.001}, "sample.out_of_range"),
        ({"fractionLost": 1.0000001}, "sample.out_of_range"),
        ({"fractionLost": math.nan}, "sample.out_of_range"),
        ({"roundTripTime": -1}, "sample.out_of_range"),
        ({"roundTripTime": 60.000001}, "sample.out_of_range"),
        ({"roundTripTime": math.inf}, "sample.out_of_range"),
        ({"jitter": -0.1}, "sample.out_of_range"),
        ({"bitrate": -1}, "sample.out_of_range"),
        ({"bitrate": 10**12 + 1}, "sample.out_of_range"),
        ({"bitrate": 10**400}, "sample.out_of_range"),
        ({"packetsReceived": -1}, "sample.out_of_range"),
        ({"packetsLost": -math.inf}, "sample.out_of_range"),
        ({"bitrate": True}, "sample.type"),
        ({"bitrate": "2500000"}, "sample.type"),
        ({"fractionLost": None}, "sample.type"),
        ({"packetsLost": [1]}, "sample.type"),
    ],
)
def test_a_sample_that_cannot_be_is_refused_by_its_index_and_the_others_are_kept(
    fields: dict[str, Any], reason: str
) -> None:
    answer = report(core(), "alice", GOOD, GOOD | fields, GOOD)
    assert answer == {"accepted": 2, "rejected": [{"index": 1, "reason": reason}]}


@pytest.mark.parametrize("raw", [None, 3, "audio", [], [GOOD], math.nan])
def test_a_sample_that_is_no_object_is_refused(raw: Any) -> None:
    assert rejected(report(core(), "alice", raw, GOOD)) == {0: "sample.type"}


@pytest.mark.parametrize("raw", [{"kind": "audio"}, {"kind": "audio", "jitter": 0.1, "packetsLost": 1}])
def test_a_sample_without_a_measurement_is_empty(raw: dict[str, Any]) -> None:
    assert rejected(report(core(), "alice", raw)) == {0: "sample.empty"}


@pytest.mark.parametrize("name", ["bitrate", "fractionLost", "roundTripTime"])
def test_one_measurement_is_enough_and_unknown_fields_are_ignored(name: str) -> None:
    assert report(core(), "alice", {"kind": "audio", name: 0.5, "ssrc": None, "qpSum": -1}) == {
        "accepted": 1,
        "rejected": [],
    }


def test_the_bounds_themselves_are_possible() -> None:
    edge = {"kind": "audio", "bitrate": 10**12, "fractionLost": 1, "roundTripTime": 60, "jitter": 60.0}
    assert report(core(), "alice", edge, {"kind": "audio", "fractionLost": -0.0})["accepted"] == 2


def test_floats_are_rounded_half_to_even_on_their_shortest_decimal_form() -> None:
    times = [0.0000005, 0.0000015, 2.0000005, 0.1 + 0.2]
    found = [parse_sample({"kind": "audio", "roundTripTime": time}).round_trip_time_us for time in times]
    assert found == [0, 2, 2_000_000, 300_000]


def test_lost_packets_stand_in_for_a_missing_fraction_only() -> None:
    def lost(**fields: float) -> int | None:
        return parse_sample({"kind": "audio", "bitrate": 1, **fields}).fraction_lost_ppm

    assert lost(packetsLost=1, packetsReceived=3) == 250_000
    assert lost(packetsLost=-5, packetsReceived=100) == 0
    assert lost(packetsLost=0, packetsReceived=0) is None
    assert lost(packetsLost=5) is None
    assert lost(packetsLost=1, packetsReceived=3, fractionLost=0.5) == 500_000


def test_the_error_of_a_sample_says_what_was_expected() -> None:
    with pytest.raises(SampleInvalid, match="fractionLost: from 0 to 1 was expected"):
        parse_sample(GOOD | {"fractionLost": 2})


# --- windows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago", "length", "reason"),
    [
        (0, 0, "window.empty"),
        (0, -10, "window.empty"),
        (0, 300.001, "window.long"),
        (-2.001, 10, "window.future"),
        (-3_600, 10, "window.future"),
        (600.001, 10, "window.old"),
        (86_400, 10, "window.old"),
    ],
)
def test_a_window_that_cannot_be_refuses_every_index(ago: float, length: float, reason: str) -> None:
    registry = core()
    answer = report(registry, "alice", GOOD, {"kind": "none"}, GOOD, ago=ago, length=length)
    assert answer == {"accepted": 0, "rejected": [{"index": i, "reason": reason} for i in range(3)]}
    assert get(registry)["reports"] == 0


@pytest.mark.parametrize(("ago", "length"), [(0, 0.001), (0, 300), (-2, 10), (600, 300)])
def test_a_window_at_the_bounds_is_taken(ago: float, length: float) -> None:
    assert report(core(), "alice", ago=ago, length=length)["accepted"] == 1


@pytest.mark.parametrize(("ago", "length"), [(100, 10), (105, 10), (95, 10), (90, 40), (102, 2)])
def test_a_window_that_overlaps_one_of_the_same_reporter_is_refused(ago: float, length: float) -> None:
    registry = core()
    report(registry, "alice", ago=100, length=10)
    report(registry, "alice", ago=300, length=10)
    assert rejected(report(registry, "alice", GOOD, GOOD, ago=ago, length=length)) == dict.fromkeys(
        (0, 1), "window.overlap"
    )


def test_windows_that_touch_do_not_overlap_whatever_their_order() -> None:
    registry = core()
    accepted = [report(registry, "alice", ago=ago, length=10)["accepted"] for ago in (100, 110, 90, 400, 200)]
    assert accepted == [1] * 5
    assert get(registry)["reports"] == 5


def test_another_reporter_or_another_node_has_windows_of_its_own() -> None:
    registry = core()
    report(registry, "alice", ago=100)
    assert report(registry, "bob", ago=100)["accepted"] == 1
    assert report(registry, "alice", ago=100, node=OTHER_NODE)["accepted"] == 1


def test_a_window_without_an_accepted_sample_occupies_nothing() -> None:
    registry = core()
    assert report(registry, "alice", {"kind": "audio"})["accepted"] == 0
    assert registry.report(key("alice"), "", NODE, T - 10_000, T, [], 0.0, T) == {"accepted": 0, "rejected": []}
    assert report(registry, "alice", GOOD)["accepted"] == 1


def test_a_nodes_word_on_itself_counts_as_any_keys_would() -> None:
    registry = core()
    assert report(registry, "node", GOOD)["accepted"] == 1
    other = core()
    report(other, "alice", GOOD)
    assert registry.view(NODE) == other.view(NODE) is not None


def test_what_was_refused_is_counted() -> None:
    registry = core()
    report(registry, "alice", GOOD, {"kind": "audio"}, BAD)
    report(registry, "alice", GOOD)
    found = registry.statistics()
    assert (found.reports, found.reports_refused, found.samples, found.samples_refused) == (1, 1, 2, 2)
    assert (found.subjects, found.windows, found.views) == (1, 1, 1)
