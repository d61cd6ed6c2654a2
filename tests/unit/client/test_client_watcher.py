"""A watcher against scripted registries: the phases of a subscription, everything that may be wrong with one, and what
a reader is told."""

from collections.abc import Iterable
from contextlib import aclosing
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from client_registry import FRESH, PATIENT, FakeRegistry, Refusal, Visitor, running

from p2preg.client import RpcError, Watcher, WatchEvent
from p2preg.client.watcher import FRESHNESS_SYNCED_SECONDS

UNSYNCED = {**FRESH, "synced": False}


def node_of(number: int, version: int = 1) -> dict[str, Any]:
    return {"node_id": f"{number:064x}", "version": f"{version * 1000 + number:032x}", "state": "serving"}


def digest_of(nodes: Iterable[dict[str, Any]]) -> str:
    return f"{sum(int(node['version'], 16) for node in nodes) % 2**128:032x}"


def enter(node: dict[str, Any], kind: str = "enter") -> dict[str, Any]:
    return {"type": kind, "node_id": node["node_id"], "version": node["version"], "node": node, "reason": "changed"}


def leave(node: dict[str, Any]) -> dict[str, Any]:
    return {"type": "leave", "node_id": node["node_id"], "reason": "expired"}


def synced(nodes: list[dict[str, Any]], freshness: dict[str, Any] = FRESH) -> dict[str, Any]:
    return {"type": "synced", "count": len(nodes), "digest": digest_of(nodes), "freshness": freshness}


def held(watcher: Watcher) -> set[int]:
    return {int(node_id, 16) for node_id in watcher.nodes}


class Publisher(FakeRegistry):
    """Answers subscriptions with what it `sees`, and lets a test say what follows."""

    def __init__(self, name: str, sees: list[dict[str, Any]]) -> None:
        super().__init__(name)
        self.sees = sees
        self.subscriptions = 0
        self.count = 0
        self.publishes = True  # what follows a subscription by itself: the snapshot and `synced`
        self.nursery: trio.Nursery | None = None
        self.handlers["nodes.subscribe"] = self.subscribe

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [params for method, params in self.calls if method == "nodes.subscribe"]

    def subscribe(self, params: Any, visitor: Visitor) -> Any:
        self.subscriptions += 1
        self.count = 0
        equal = params.get("have") == {"count": len(self.sees), "digest": digest_of(self.sees)}
        if self.publishes:
            assert self.nursery is not None
            events = [] if equal else [enter(node) for node in self.sees]
            self.nursery.start_soon(self.publish, *events, synced(self.sees, self.freshness))
        return {
            "subscription": self.subscriptions,
            "mode": "difference" if equal else "snapshot",
            "freshness": self.freshness,
        }

    async def publish(self, *events: dict[str, Any], n: int | None = None, subscription: int | None = None) -> None:
        """One notification."""
        self.count += 1
        params = {"subscription": subscription or self.subscriptions, "n": n or self.count, "events": list(events)}
        await self.visitors[-1].notify("nodes.event", params)


class Watching:
    """Publishers that listen and a watcher that runs, for the time of a block."""

    def __init__(self, *publishers: Publisher, **options: Any) -> None:
        self.publishers = publishers
        self.options = options

    async def __aenter__(self) -> Watcher:
        self._running = running(*self.publishers)
        await self._running.__aenter__()
        self._manager = trio.open_nursery()
        nursery = await self._manager.__aenter__()
        for publisher in self.publishers:
            publisher.nursery = nursery
        self._nursery = nursery
        urls = [publisher.url for publisher in self.publishers]
        watcher = Watcher(urls, rng=Random(1), **self.options)
        nursery.start_soon(watcher.run)
        return watcher

    async def __aexit__(self, *exception: Any) -> None:
        self._nursery.cancel_scope.cancel()
        await self._manager.__aexit__(*exception)
        await self._running.__aexit__(None, None, None)


async def until(watcher: Watcher, numbers: set[int]) -> None:
    """Until the watcher is synced and holds just these nodes."""
    with trio.fail_after(PATIENT * 100):
        async for event in watcher.events():
            if event.type != "stale" and watcher.synced and held(watcher) == numbers:
                return


# --- what is held -------------------------------------------------------------------------------------------------


async def test_a_snapshot_is_held_and_followed(clock: object) -> None:
    one, two, three = node_of(1), node_of(2), node_of(3)
    alice = Publisher("alice", [one, two])
    async with Watching(alice, filter={"eq": ["region", "eu"]}, include="live", fields=["state"]) as watcher:
        await until(watcher, {1, 2})
        assert alice.asked == [{"filter": {"eq": ["region", "eu"]}, "include": "live", "fields": ["state"]}]
        assert (watcher.url, watcher.stale) == (alice.url, False)
        changed = node_of(2, version=2)
        await alice.publish(enter(three), leave(one), enter(changed, "update"))
        await alice.publish({"type": "digest", "count": 2, "digest": digest_of([changed, three])})
        await until(watcher, {2, 3})
        assert watcher.nodes[changed["node_id"]] == changed
        assert alice.subscriptions == 1


async def test_after_a_loss_the_next_registry_is_asked_for_the_difference_to_what_is_held(clock: object) -> None:
    nodes = [node_of(1), node_of(2)]
    alice, carol = Publisher("alice", nodes), Publisher("carol", nodes)
    async with Watching(alice, carol) as watcher:
        await until(watcher, {1, 2})
        alice.stop()
        await carol.wait_call("nodes.subscribe")
        assert carol.asked == [{"include": "allocatable", "have": {"count": 2, "digest": digest_of(nodes)}}]
        await until(watcher, {1, 2})


async def test_while_no_registry_is_there_the_view_stays_and_is_stale(clock: object) -> None:
    alice = Publisher("alice", [node_of(1)])
    async with Watching(alice) as watcher:
        await until(watcher, {1})
        alice.stop()
        async with aclosing(stale_events(watcher)) as events:
            await anext(events)
        assert (watcher.stale, held(watcher), watcher.url, watcher.freshness) == (True, {1}, None, None)


async def stale_events(watcher: Watcher) -> Any:
    async for event in watcher.events():
        if event.type == "stale":
            yield event


async def test_a_snapshot_of_another_registry_replaces_the_view_when_it_is_complete(clock: object) -> None:
    alice, carol = Publisher("alice", [node_of(1), node_of(2)]), Publisher("carol", [node_of(2), node_of(3)])
    carol.publishes = False
    async with Watching(alice, carol) as watcher:
        await until(watcher, {1, 2})
        alice.stop()
        await carol.wait_call("nodes.subscribe")
        await carol.publish(enter(node_of(2)))
        await carol.publish(enter(node_of(3)))
        await trio.testing.wait_all_tasks_blocked(0.001)
        assert (held(watcher), watcher.synced) == ({1, 2}, False)
        await carol.publish(synced(carol.sees))
        await until(watcher, {2, 3})


async def test_a_registry_that_is_not_synced_does_not_replace_what_is_held_until_it_is(clock: object) -> None:
    alice, carol = Publisher("alice", [node_of(1), node_of(2)]), Publisher("carol", [node_of(3)])
    carol.freshness = UNSYNCED
    async with Watching(alice, carol) as watcher:
        await until(watcher, {1, 2})
        alice.stop()
        await carol.wait_call("nodes.list")
        assert (held(watcher), watcher.synced) == ({1, 2}, False)
        carol.freshness = FRESH
        await carol.publish(enter(node_of(1)))
        await until(watcher, {1, 3})
        assert carol.subscriptions == 1


async def test_a_first_view_is_taken_from_a_registry_that_is_not_synced_and_says_so(clock: object) -> None:
    alice = Publisher("alice", [node_of(1)])
    alice.freshness = UNSYNCED
    async with Watching(alice) as watcher:
        async for event in watcher.events():
            assert event.type == "enter"
            break
        assert (held(watcher), watcher.synced) == ({1}, False)
        alice.freshness = FRESH
        await until(watcher, {1})


async def test_a_registry_that_falls_out_of_step_makes_the_view_stale(clock: trio.testing.MockClock) -> None:
    alice = Publisher("alice", [node_of(1)])
    async with Watching(alice) as watcher:
        await until(watcher, {1})
        began = trio.current_time()
        alice.freshness = UNSYNCED
        async with aclosing(stale_events(watcher)) as events:
            await anext(events)
        assert trio.current_time() - began < 2 * FRESHNESS_SYNCED_SECONDS


# --- what may be wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"events": [], "n": 3}, id="a gap"),
        pytest.param({"events": [], "n": 1}, id="a repetition"),
        pytest.param({"events": [{"type": "digest", "count": 1, "digest": digest_of([node_of(9)])}]}, id="digest"),
        pytest.param({"events": [{"type": "digest", "count": 2, "digest": digest_of([node_of(1)])}]}, id="count"),
        pytest.param({"events": [{"type": "lagged"}]}, id="lagged"),
        pytest.param({"events": [{"type": "enter", "node_id": "1", "version": "x", "node": {}}]}, id="version"),
        pytest.param({"events": "none"}, id="no list"),
    ],
)
async def test_a_subscription_at_fault_is_begun_again_with_what_is_held(clock: object, fault: dict[str, Any]) -> None:
    alice = Publisher("alice", [node_of(1)])
    async with Watching(alice) as watcher:
        await until(watcher, {1})
        alice.sees = [node_of(2)]
        await alice.visitors[-1].notify("nodes.event", {"subscription": 1, "n": 2, **fault})
        await until(watcher, {2})
        assert alice.asked[1]["have"] == {"count": 1, "digest": digest_of([node_of(1)])}
        gone = "lagged" in str(fault)
        assert alice.methods.count("nodes.unsubscribe") == (0 if gone else 1)
        assert len(alice.visitors) == 1


async def test_a_snapshot_with_a_wrong_digest_is_not_taken(clock: object) -> None:
    alice = Publisher("alice", [node_of(1)])
    alice.publishes = False
    async with Watching(alice) as watcher:
        await alice.wait_call("nodes.subscribe")
        await alice.publish(enter(node_of(2)), synced(alice.sees))
        alice.publishes = True
        await until(watcher, {1})
        assert "have" not in alice.asked[1]


async def test_what_a_later_release_may_say_is_passed_over(clock: object) -> None:
    alice = Publisher("alice", [node_of(1)])
    async with Watching(alice) as watcher:
        await until(watcher, {1})
        await alice.publish({"type": "birthday", "cake": True}, enter(node_of(2)))
        await until(watcher, {1, 2})
        assert alice.subscriptions == 1


async def test_notifications_of_a_subscription_that_was_given_up_change_nothing(clock: object) -> None:
    alice = Publisher("alice", [node_of(1)])
    async with Watching(alice) as watcher:
        await until(watcher, {1})
        await alice.publish({"type": "lagged"})
        await alice.wait_call("nodes.subscribe", 2)
        await until(watcher, {1})
        await alice.publish(enter(node_of(7)), subscription=1)
        await alice.publish(enter(node_of(2)), n=2)
        await until(watcher, {1, 2})


@pytest.mark.parametrize(("code", "reason"), [(-32004, "filter.invalid"), (-32602, "params.invalid")])
async def test_a_question_that_no_registry_would_answer_ends_the_watcher(code: int, reason: str) -> None:
    alice = FakeRegistry("alice")

    def refuse(params: Any, visitor: Visitor) -> None:
        raise Refusal(code, reason)

    alice.handlers["nodes.subscribe"] = refuse
    async with running(alice):
        with trio.fail_after(PATIENT), pytest.raises(RpcError, match=reason):
            async with Watcher([alice.url]) as watcher:
                await watcher.wait_synced()


async def test_a_registry_that_cannot_now_is_passed_over(clock: object) -> None:
    alice, carol = Publisher("alice", []), Publisher("carol", [node_of(1)])

    def refuse(params: Any, visitor: Visitor) -> None:
        raise Refusal(-32005, "limit.subscriptions")

    alice.handlers["nodes.subscribe"] = refuse
    async with Watching(alice, carol) as watcher:
        await until(watcher, {1})
        assert watcher.url == carol.url


# --- what a reader is told ----------------------------------------------------------------------------------------


async def take(watcher: Watcher, count: int) -> list[tuple[str, int | None]]:
    events = watcher.events()
    return [summary(await anext(events)) for _ in range(count)]


def summary(event: WatchEvent) -> tuple[str, int | None]:
    return event.type, int(event.node_id, 16) if event.node_id else None


async def test_a_reader_begins_with_what_is_held_and_then_is_told_every_change(clock: object) -> None:
    one, two = node_of(1), node_of(2)
    alice = Publisher("alice", [one])
    async with Watching(alice) as watcher:
        await until(watcher, {1})
        events = watcher.events()
        assert [summary(await anext(events)) for _ in range(2)] == [("enter", 1), ("synced", None)]
        await alice.publish(enter(two))
        assert summary(await anext(events)) == ("enter", 2)
        await alice.publish(enter(node_of(2, version=2), "update"), leave(one))
        assert [summary(await anext(events)) for _ in range(2)] == [("update", 2), ("leave", 1)]


async def test_a_slow_reader_misses_steps_and_never_the_outcome(clock: object) -> None:
    one, two, three = node_of(1), node_of(2), node_of(3)
    alice = Publisher("alice", [one, two])
    async with Watching(alice) as watcher:
        await until(watcher, {1, 2})
        events = watcher.events()
        for _ in range(3):
            await anext(events)
        for version in range(2, 50):
            await alice.publish(enter(node_of(1, version), "update"))
        await alice.publish(enter(three), leave(two), leave(three), enter(two))
        await alice.publish(leave(two), enter(node_of(2, 2)))
        latest = [node_of(1, 49), node_of(2, 2)]
        await alice.publish({"type": "digest", "count": 2, "digest": digest_of(latest)})
        await until(watcher, {1, 2})
        assert len(events) == 2
        told = [await anext(events) for _ in range(2)]
        assert [(event.type, event.node) for event in told] == [("update", node) for node in latest]


async def test_a_reader_of_a_watcher_that_ended_comes_to_an_end(clock: object) -> None:
    alice = FakeRegistry("alice")
    async with running(alice):
        alice.stop()
        async with Watcher([alice.url]) as watcher:
            events = watcher.events()
        assert [event async for event in events] == []
        assert [event async for event in watcher.events()] == []
