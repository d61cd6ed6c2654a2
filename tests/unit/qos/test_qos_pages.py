"""Pages: what a registry publishes, when, and what the others make of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from qos_world import BAD, GOOD, HOME, NODE, OTHER_NODE, PEER, T, core, expire, get, key, pages, report

from p2preg.base.limits import PAGE_BYTES_MAX
from p2preg.qos.summary import PageInvalid, page_of, read_page
from p2preg.wire import cbor

ORDER = (5, 1)
PAGE: dict[str, Any] = {"formula": 1, "votes_600": [3, 4, 9, 80_000], "rtt_us_600": [20_000, 30_000, 90_000]}


def test_a_report_shows_at_every_registry_once_its_page_arrives() -> None:
    home, peer = core(HOME), core(PEER)
    report(home, "alice", GOOD, BAD)
    body = pages(home, 1.0)[NODE]
    assert peer.merge_page(HOME, NODE, cbor.decode(cbor.encode(body)), ORDER, 2.0)
    for span in (60, 600, 3_600):
        assert get(peer, span, now=2.0) == get(home, span, now=2.0)
    assert peer.view(NODE) == home.view(NODE) is not None


def test_every_registry_that_heard_the_same_says_the_same() -> None:
    registries = {key(name): core(key(name)) for name in ("one", "two", "three")}
    for number, registry in enumerate(registries.values()):
        for reporter in range(3 * number + 1):
            report(registry, f"alice {number} {reporter}", GOOD | {"roundTripTime": (number + reporter) / 30})
    bodies = {own_id: pages(registry, 1.0)[NODE] for own_id, registry in registries.items()}
    for own_id, registry in registries.items():
        for other, body in bodies.items():
            assert registry.merge_page(other, NODE, body, ORDER, 2.0) == (other != own_id)
    views = [registry.view(NODE) for registry in registries.values()]
    assert views[0] == views[1] == views[2] is not None
    answers = [get(registry, now=2.0) for registry in registries.values()]
    assert answers[0] == answers[1] == answers[2]


def test_a_page_is_due_at_once_and_then_at_most_every_five_seconds() -> None:
    home = core()
    report(home, "alice", GOOD, ago=100)
    assert list(pages(home, 0.0)) == [NODE]
    report(home, "bob", GOOD, now=1.0)
    assert pages(home, 1.0) == {} == pages(home, 4.9)
    assert pages(home, 5.0)[NODE]["votes_600"][:3] == [2, 2, 2]


def test_a_page_is_refreshed_before_it_ends_while_an_hour_has_reports_and_no_longer() -> None:
    home, published = core(), []
    report(home, "alice", GOOD)
    for now in range(4_000):
        if pages(home, float(now)):
            published.append(now)
    gaps = [later - earlier for earlier, later in pairwise(published)]
    assert all(36 <= gap <= 46 for gap in gaps) and len(set(gaps)) > 3
    assert 3_550 < published[-1] < 3_600
    expire(home, 4_000.0)
    assert home.statistics().windows == 0


def test_many_pages_due_at_once_are_spread_over_calls() -> None:
    home = core()
    nodes = [key(f"node {number}") for number in range(1_100)]
    for node in nodes:
        home.report(key("alice"), "", node, T - 1_000, T, [GOOD], 0.0, T)
    first, second = pages(home, 0.0), pages(home, 1.0)
    assert (len(first), len(second)) == (1_024, 76) and {*first, *second} == {*nodes}


def test_the_largest_page_fits() -> None:
    home = core()
    for number in range(256):
        home.report(
            key(f"alice {number}"), "", NODE, T - 1, T,
            [{"kind": "video", "bitrate": 10**12, "fractionLost": 1, "roundTripTime": 60}], 0.0, T,
        )  # fmt: skip
    body = pages(home, 0.0)[NODE]
    worst = {name: [2**32, 2**32, 2**32, 100_000] if "votes" in name else [10**12] * 3 for name in body} | {
        "formula": 1
    }
    assert len(body) == 13
    assert len(cbor.encode(body)) < len(cbor.encode(worst)) <= PAGE_BYTES_MAX


def test_a_page_reads_back_as_it_was_written() -> None:
    assert page_of(read_page(PAGE)) == PAGE
    assert read_page({"formula": 1}) == {}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"formula": True},
        PAGE | {"formula": 2},
        PAGE | {"votes_600": [3, 4, 9]},
        PAGE | {"votes_600": [0, 4, 9, 80_000]},
        PAGE | {"votes_600": [5, 4, 9, 80_000]},
        PAGE | {"votes_600": [3, 10, 9, 80_000]},
        PAGE | {"votes_600": [3, 4, 2**32 + 1, 80_000]},
        PAGE | {"votes_600": [3, 4, 9, 100_001]},
        PAGE | {"votes_600": [3, 4, 9, -1]},
        PAGE | {"votes_600": [True, 4, 9, 80_000]},
        PAGE | {"votes_600": b"1234"},
        PAGE | {"rtt_us_600": [3, 2, 4]},
        PAGE | {"rtt_us_600": [1, 2, 60_000_001]},
        PAGE | {"loss_ppm_600": [0, 0, 1_000_001]},
        PAGE | {"bitrate_bps_600": [0, 0, "1"]},
    ],
)
def test_a_page_that_cannot_be_changes_nothing(body: Any) -> None:
    with pytest.raises(PageInvalid):
        read_page(body)
    registry = core()
    registry.merge_page(PEER, NODE, PAGE, ORDER, 0.0)
    before = registry.view(NODE)
    assert not registry.merge_page(PEER, NODE, body, (5, 2), 1.0)
    assert registry.view(NODE) == before is not None


def test_keys_of_a_later_release_are_ignored() -> None:
    later = PAGE | {"votes_86400": [1], "jitter_us_600": "?", "rtt_us_60": [-1]}
    assert read_page(later) == read_page(PAGE)


def test_only_a_page_of_greater_order_replaces_one() -> None:
    registry = core()
    assert registry.merge_page(PEER, NODE, PAGE, (5, 9), 0.0)
    before = registry.view(NODE)
    worse = PAGE | {"votes_600": [3, 4, 9, 0]}
    assert not any(registry.merge_page(PEER, NODE, worse, order, 0.0) for order in ((5, 9), (5, 8), (4, 99)))
    assert registry.view(NODE) == before
    assert registry.merge_page(PEER, NODE, worse, (6, 1), 0.0)
    assert registry.view(NODE) != before


def test_a_page_in_our_own_name_is_not_taken() -> None:
    registry = core(HOME)
    assert not registry.merge_page(HOME, NODE, PAGE, ORDER, 0.0)
    assert registry.view(NODE) is None


def test_a_page_lives_two_minutes_from_its_receipt_and_a_refresh_is_no_change() -> None:
    registry = core()
    registry.merge_page(PEER, NODE, PAGE, (5, 1), 0.0)
    assert not registry.merge_page(PEER, NODE, PAGE, (5, 2), 45.0)
    assert expire(registry, 120.0) == [] and expire(registry, 164.9) == []
    assert get(registry, now=164.9)["reports"] == 9
    assert get(registry, now=165.0)["reports"] == 0
    assert expire(registry, 165.0) == [NODE]
    assert registry.view(NODE) is None and registry.statistics().pages == 0


def test_an_empty_page_withdraws_what_was_said() -> None:
    registry = core()
    registry.merge_page(PEER, NODE, PAGE, (5, 1), 0.0)
    assert registry.merge_page(PEER, NODE, {"formula": 1}, (5, 2), 1.0)
    assert registry.view(NODE) is None


def test_a_lone_reporter_at_one_registry_does_not_outvote_ten_at_another() -> None:
    registry = core()
    for number in range(10):
        report(registry, f"alice {number}", GOOD)
    before = get(registry)["score"]
    registry.merge_page(PEER, NODE, PAGE | {"votes_600": [1, 1, 1, 0]}, ORDER, 0.0)
    assert before <= get(registry)["score"] < before + 2


def test_a_lying_registry_has_eight_votes_whatever_it_claims() -> None:
    registry = core()
    for number in range(3):
        registry.merge_page(key(f"honest {number}"), NODE, PAGE, ORDER, 0.0)  # nine votes for 80
    registry.merge_page(key("mallory"), NODE, {"formula": 1, "votes_600": [2**32, 2**32, 2**32, 0]}, ORDER, 0.0)
    found = get(registry)
    assert found["by_registry"][key("mallory").hex()]["weight"] == 8
    assert found["score"] == pytest.approx((17 * 80 + 5 * 60) / 22, abs=0.001)


def test_the_word_of_very_many_registries_is_taken_together() -> None:
    registry = core()
    for number in range(32):
        assert registry.merge_page(key(f"registry {number}"), NODE, PAGE, ORDER, 0.0)
    before = registry.view(NODE)
    assert not registry.merge_page(key("registry 32"), NODE, PAGE, ORDER, 0.0)
    assert registry.view(NODE) == before
    assert expire(registry, 1.0) == [NODE]
    assert get(registry)["reporters"] == 33 * 4


def test_pages_count_what_they_are() -> None:
    registry = core()
    registry.merge_page(PEER, NODE, PAGE, (5, 2), 0.0)
    registry.merge_page(PEER, NODE, PAGE, (5, 1), 0.0)
    registry.merge_page(PEER, OTHER_NODE, "?", (5, 3), 0.0)
    found = registry.statistics()
    assert (found.pages_merged, found.pages_stale, found.pages_invalid, found.pages) == (1, 1, 1, 1)
