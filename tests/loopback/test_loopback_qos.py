"""Quality reports: given at one registry, shown at all, judged sample by sample, used in filters and selection."""

from __future__ import annotations

from typing import Any

import pytest
from follower import follow
from handmade import Key, now_ms
from raw_client import RawClient, connect, eventually, shown, until_shown

GOOD = {"kind": "audio", "bitrate": 64_000, "fractionLost": 0.0, "roundTripTime": 0.02, "jitter": 0.002}
POOR = {"kind": "video", "bitrate": 90_000, "fractionLost": 0.3, "roundTripTime": 0.9}
SHOWN_SECONDS = 15.0  # of the contract
NOBODY = "00" * 32


async def node(client: RawClient, region: str) -> str:
    key = Key()
    await client.register(key, {"region": region})
    return key.id


async def reporter(client: RawClient) -> None:
    """Make the session that of somebody who may report."""
    await client.authenticate(Key(), role="client")


async def report(client: RawClient, node_id: str, *samples: Any, ago_ms: int = 60_000, **params: Any) -> Any:
    start = now_ms() - ago_ms
    window = {"node_id": node_id, "start_ms": start, "end_ms": start + 30_000, "samples": list(samples)}
    return await client.call("qos.report", **(window | params))


# --- spreading ------------------------------------------------------------------------------------------------------


async def test_a_report_shows_at_once_where_it_was_given_and_soon_at_every_registry(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    node_id = await node(alice, region)
    await until_shown(bob, node_id)
    await reporter(bob)
    assert await report(bob, node_id, GOOD, GOOD) == {"accepted": 2, "rejected": []}
    here = await bob.call("qos.get", node_id=node_id)
    assert (here["reports"], here["reporters"]) == (1, 1)
    assert 0 < here["score"] <= 100
    assert 1 <= here["mos"] <= 4.5
    assert 0 < here["confidence"] <= 1
    assert here["bitrate_bps"]["p10"] <= here["bitrate_bps"]["p50"] <= here["bitrate_bps"]["p95"]
    assert here["round_trip_time_s"]["p50"] == pytest.approx(0.02, rel=0.2)
    assert here["fraction_lost"]["p50"] == pytest.approx(0.0, abs=0.01)
    assert here["formula"]
    for client in (alice, carol):

        async def has_it(client: RawClient = client) -> Any:
            there = await client.call("qos.get", node_id=node_id)
            return there if there["reports"] else None

        there = await eventually(has_it, "the report is there", SHOWN_SECONDS)
        assert {name: there[name] for name in ("score", "reports", "reporters", "confidence")} == {
            name: here[name] for name in ("score", "reports", "reporters", "confidence")
        }
        shown_there = await shown(client, node_id)
        assert shown_there is not None
        assert shown_there["qos"]["score"] == there["score"]
        assert set(shown_there["qos"]) == {
            "score", "confidence", "round_trip_time_s", "fraction_lost", "bitrate_bps",
        }  # fmt: skip


async def test_a_node_without_reports_has_a_prior_no_confidence_and_no_distributions(
    alice: RawClient, region: str
) -> None:
    node_id = await node(alice, region)
    nothing = await alice.call("qos.get", node_id=node_id)
    assert (nothing["confidence"], nothing["reports"], nothing["reporters"]) == (0, 0, 0)
    assert (nothing["bitrate_bps"], nothing["fraction_lost"], nothing["round_trip_time_s"]) == (None, None, None)
    assert 20 < nothing["score"] < 90
    found = await shown(alice, node_id)
    assert found is not None
    assert "qos" not in found


async def test_good_reports_raise_the_score_above_bad_ones_and_filters_and_selection_use_it(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    good, poor, unrated = [await node(alice, region) for _ in range(3)]
    watched = {"filter": {"eq": ["region", region]}, "fields": ["qos"], "max_rate_ms": 0}
    plain = {"filter": {"eq": ["region", region]}, "max_rate_ms": 0}
    await until_shown(bob, unrated)
    watcher, bystander = await follow(bob, **watched), await follow(bob, **plain)
    await watcher.until_synced()
    await bystander.until_synced()
    versions = dict(watcher.versions)
    await reporter(alice)
    for node_id, sample in ((good, GOOD), (poor, POOR)):
        for at in range(4):
            await report(alice, node_id, *[sample] * 8, ago_ms=300_000 - at * 40_000)
    await watcher.until(lambda: all("qos" in watcher.nodes[node_id] for node_id in (good, poor)), SHOWN_SECONDS)
    assert watcher.versions == versions
    await bystander.quiet()
    assert bystander.kinds_of(good) == ["enter"]
    for client in (alice, bob):
        scores = {node_id: (await client.call("qos.get", node_id=node_id))["score"] for node_id in (good, poor)}
        assert scores[good] > scores[poor] + 10
        middle = (scores[good] + scores[poor]) / 2
        tree = {"and": [{"eq": ["region", region]}, {"ge": ["qos.score", middle]}]}
        listed = await client.call("nodes.list", filter=tree)
        assert [found["node_id"] for found in listed["nodes"]] == [good]
        ranked = await client.call("nodes.list", filter={"eq": ["region", region]}, sort=[["qos.score", "desc"]])
        assert [found["node_id"] for found in ranked["nodes"]] == [good, poor, unrated]
        lossy = {"and": [{"eq": ["region", region]}, {"gt": ["qos.fraction_lost", 0.1]}]}
        assert [found["node_id"] for found in (await client.call("nodes.list", filter=lossy))["nodes"]] == [poor]
        rated = {"and": [{"eq": ["region", region]}, {"exists": "qos.score"}]}
        best = await client.call("nodes.select", filter=rated, policy="best_quality", count=2)
        assert [each["node"]["node_id"] for each in best["candidates"]] == [good, poor]


async def test_explain_gives_what_leads_to_the_score(alice: RawClient, region: str) -> None:
    node_id = await node(alice, region)
    await reporter(alice)
    await report(alice, node_id, GOOD)
    explained = await alice.call("qos.explain", node_id=node_id)
    assert (await alice.call("qos.get", node_id=node_id))["score"] in _values(explained)
    assert (await alice.call("registry.info"))["registry_id"] in str(explained)


def _values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [inner for item in value.values() for inner in _values(item)]
    return [inner for item in value for inner in _values(item)] if isinstance(value, list) else [value]


# --- judging --------------------------------------------------------------------------------------------------------


async def test_what_is_impossible_is_rejected_by_its_index_and_the_others_are_kept(
    alice: RawClient, region: str
) -> None:
    node_id = await node(alice, region)
    await reporter(alice)
    samples = [
        GOOD,
        GOOD | {"fractionLost": 1.01},
        GOOD | {"fractionLost": -0.1},
        GOOD | {"roundTripTime": 61},
        GOOD | {"roundTripTime": -1},
        GOOD | {"bitrate": -1},
        GOOD | {"kind": "smell"},
        {"kind": "audio"},
        {"kind": "audio", "jitter": 0.1},
        {"bitrate": 1},
        GOOD | {"bitrate": "1"},
        "sample",
        None,
        GOOD | {"packetsLost": -5, "packetsReceived": 100, "direction": "send"},
        GOOD | {"ssrc": 1, "googFutureField": {"a": [1]}},
        {"kind": "video", "fractionLost": 1.0},
    ]
    result = await report(alice, node_id, *samples)
    kept = [0, 13, 14, 15]
    assert result["accepted"] == len(kept)
    assert [item["index"] for item in result["rejected"]] == [n for n in range(len(samples)) if n not in kept]
    assert all(isinstance(item["reason"], str) and item["reason"] for item in result["rejected"])


async def test_a_window_of_the_future_or_long_ago_or_too_long_rejects_every_index(
    alice: RawClient, region: str
) -> None:
    node_id = await node(alice, region)
    await reporter(alice)
    now = now_ms()
    for start, end in (
        (now + 60_000, now + 120_000),
        (now - 1_000, now + 120_000),
        (now - 700_000, now - 650_000),
        (now - 400_000, now - 50_000),
        (now - 10_000, now - 20_000),
    ):
        result = await report(alice, node_id, GOOD, GOOD, start_ms=start, end_ms=end)
        assert result["accepted"] == 0, (start - now, end - now)
        assert [item["index"] for item in result["rejected"]] == [0, 1]
    assert (await alice.call("qos.get", node_id=node_id))["reports"] == 0


async def test_windows_of_one_reporter_must_not_overlap_and_those_of_others_may(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    node_id, other = await node(alice, region), await node(alice, region)
    await until_shown(bob, other)
    await reporter(bob)
    start = now_ms() - 200_000
    window = {"start_ms": start, "end_ms": start + 60_000}
    assert (await report(bob, node_id, GOOD, **window))["accepted"] == 1
    for begin, end in ((0, 60_000), (30_000, 90_000), (-30_000, 1), (10_000, 20_000)):
        result = await report(bob, node_id, GOOD, GOOD, start_ms=start + begin, end_ms=start + end)
        assert result == {
            "accepted": 0,
            "rejected": [{"index": index, "reason": "window.overlap"} for index in range(2)],
        }, (begin, end)
    assert (await report(bob, node_id, GOOD, start_ms=start + 60_000, end_ms=start + 90_000))["accepted"] == 1
    assert (await report(bob, other, GOOD, **window))["accepted"] == 1
    await reporter(alice)
    assert (await report(alice, node_id, GOOD, **window))["accepted"] == 1


async def test_the_number_of_samples_and_the_span_are_bounded(alice: RawClient, region: str) -> None:
    node_id = await node(alice, region)
    await reporter(alice)
    assert (await report(alice, node_id, *[GOOD] * 256))["accepted"] == 256
    start = now_ms() - 20_000
    window = {"node_id": node_id, "start_ms": start, "end_ms": start + 10_000}
    error = await alice.refused("qos.report", **window, samples=[GOOD] * 257)
    assert (error.code, error.data["path"]) == (-32602, "$.samples")
    for span in (59, 3_601, 60.5, "60"):
        assert (await alice.refused("qos.get", node_id=node_id, window_s=span)).code == -32602
    for span in (60, 600, 3_600):
        assert (await alice.call("qos.get", node_id=node_id, window_s=span))["reports"] <= 1


# --- who may --------------------------------------------------------------------------------------------------------


async def test_reporting_needs_a_login_of_either_role_and_reading_needs_none(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    node_id = await node(alice, region)
    await until_shown(bob, node_id)
    error = await bob.refused("qos.report", node_id=node_id, start_ms=0, end_ms=1, samples=[])
    assert (error.code, error.reason) == (-32001, "auth.required")
    await bob.call("qos.get", node_id=node_id)
    await until_shown(carol, node_id)
    await carol.authenticate(Key())
    assert (await report(carol, node_id, GOOD))["accepted"] == 1


async def test_a_node_that_no_advert_names_is_unknown(alice: RawClient) -> None:
    await reporter(alice)
    start = now_ms() - 20_000
    for method, params in (
        ("qos.get", {}), ("qos.explain", {}),
        ("qos.report", {"start_ms": start, "end_ms": start + 10_000, "samples": [GOOD]}),
    ):  # fmt: skip
        error = await alice.refused(method, node_id=NOBODY, **params)
        assert (error.code, error.reason) == (-32002, "node.unknown"), method


async def test_one_loud_reporter_does_not_outvote_several_quiet_ones(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    node_id = await node(alice, region)
    for client in (bob, carol):
        await until_shown(client, node_id)
    await reporter(bob)
    for at in range(8):
        await report(bob, node_id, *[POOR] * 64, ago_ms=590_000 - at * 31_000)
    before = (await bob.call("qos.get", node_id=node_id))["score"]
    for _ in range(4):  # one session reports for the key that it proved first, so each opinion has its own
        async with connect(f"ws://{bob.authority}/") as quiet:
            await reporter(quiet)
            await report(quiet, node_id, *[GOOD] * 8, ago_ms=120_000)
    after = await bob.call("qos.get", node_id=node_id)
    assert after["reporters"] == 5
    assert after["score"] > before + 10
    assert after["fraction_lost"]["p50"] < 0.1
