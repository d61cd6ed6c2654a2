"""Subscriptions over a real directory: what is pending, what is told, and what the client ends up with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.effects import Schedule
from p2preg.base.errors import Refused
from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, sign_cell
from p2preg.cells.held import HeldCells
from p2preg.cells.lease import LeaseBody, Proof
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.registry import params, results, subscriptions
from p2preg.registry.directory import Directory
from p2preg.registry.effects import Notify, Reply
from p2preg.registry.homes import Homes
from p2preg.registry.limits import NOTIFICATIONS_UNSENT_MAX, RESUMES_PER_TICK_MAX, SUBSCRIPTIONS_PER_SESSION_MAX
from p2preg.registry.watching import RESUME_WAIT_SECONDS, Watching
from p2preg.sim.subscriber import Subscriber

T = 1_800_000_000_000
NETWORK = NetworkFile.open("watching")
HOME = IdentityKey(bytes(32))
NODES = [IdentityKey(bytes([number]) * 32) for number in range(1, 9)]
REGIONS = ("eu", "us")
FRESHNESS = results.Freshness(
    registries_known=1, registries_fresh=1, oldest_heartbeat_age_s=0.0, synced=True, preserving=False
)


class World:
    """A home with nodes, whose watchers take their notifications when `read` is called, or at once."""

    def __init__(self, synced: bool = True) -> None:
        self.now = 0.0
        self.synced = synced
        self.held = HeldCells(NETWORK)
        self.seqs = 0
        self.directory = Directory(self.held, Homes(HOME.public, 1, 0.0), lambda node_id: None)
        self.watching = Watching(self.directory, lambda now: FRESHNESS, lambda now: self.synced)
        self.subscribers: dict[tuple[int, int], Subscriber] = {}
        self.unread: dict[int, list[Any]] = {}
        self.answers: list[dict[str, Any]] = []
        self.due = 0.0
        self._resuming: dict[int, Subscriber | None] = {}
        self.offer(sign_cell(HOME, NETWORK, HOME.public, REGISTRY, T, {"endpoints": ["h:1"], "epoch": 1}))

    def offer(self, cell: Any) -> None:
        self.held.offer(cell, T + self.seqs, self.now, None)
        self.held.drain_changes()

    def put(self, node: int, region: str = "eu", state: str = "serving", contact: int = 0) -> None:
        """The node is as told, from now on."""
        self.seqs += 1
        key, seq = NODES[node], T + self.seqs
        unsigned = Proof("h:1", bytes(32), seq, bytes(64))
        proof = Proof("h:1", bytes(32), seq, key.sign(unsigned.message(NETWORK.network, HOME.public)))
        body = {"kind": "sfu", "endpoints": [{"purpose": "whip", "url": "https://a/"}], "codecs": [], "region": region}
        self.offer(sign_cell(HOME, NETWORK, key.public, LEASE, seq, LeaseBody(node, contact, state, 1, proof).to_map()))
        self.offer(sign_cell(HOME, NETWORK, key.public, ADVERT, seq, body))
        change = self.directory.refresh(key.public, self.now)
        if change is not None:
            self.carry_out(self.watching.on_change(change, self.now))

    # --- watchers -------------------------------------------------------------------------------------------

    def open(self, session: int) -> None:
        self.watching.open(session)
        self.unread[session] = []

    def subscribe(self, session: int, resuming: Subscriber | None = None, **given: Any) -> Subscriber | None:
        """None when the answer has to wait."""
        if session not in self.unread:
            self.open(session)
        have = params.Have(**resuming.have()) if resuming is not None else None
        self._resuming[session] = resuming
        before = len(self.subscribers)
        self.carry_out(self.watching.subscribe(session, 1, params.Subscribe(have=have, **given), self.now))
        return list(self.subscribers.values())[-1] if len(self.subscribers) > before else None

    def carry_out(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case Reply(session, _, result):
                    subscriber = Subscriber()
                    told = {"subscription": result.subscription, "mode": result.mode}
                    subscriber.begin(told, self._resuming[session])
                    self.subscribers[session, result.subscription] = subscriber
                case Notify(session, _, params):
                    self.unread[session].append(params)
                case Schedule(at, ("registry", "flush", _)):
                    self.due = at

    def read(self, session: int) -> None:
        """Take all that there is; each makes room for the next."""
        while self.unread[session]:
            told = self.unread[session].pop(0)
            events = [json.loads(bytes(event)) for event in told["events"]]
            self.subscribers[session, told["subscription"]].take(
                {"n": told["n"], "events": json.loads(json.dumps(events))}
            )
            self.carry_out(self.watching.writable(session, self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for session in self.unread:
            self.carry_out(self.watching.flush(session, self.now))
        self.carry_out(self.watching.tick(self.now))


def watched(world: World, session: int = 1, **given: Any) -> Subscriber:
    subscriber = world.subscribe(session, **given)
    assert subscriber is not None
    world.read(session)
    return subscriber


def kinds(subscriber: Subscriber) -> list[str]:
    return [event["type"] for event in subscriber.log]


def test_the_answer_comes_before_any_event_and_synced_after_the_snapshot() -> None:
    world = World()
    for node in range(3):
        world.put(node)
    assert kinds(watched(world)) == ["enter", "enter", "enter", "synced"]
    assert kinds(watched(World())) == ["synced"]


def test_changes_between_flushes_coalesce_to_the_latest_state() -> None:
    world = World()
    world.put(0)
    subscriber = watched(world, include="all", max_rate_ms=1_000)
    for region in ("us", "eu", "us"):
        world.put(0, region)
    world.put(1)
    world.put(1, contact=2)
    world.wait(1.0)
    world.read(1)
    assert kinds(subscriber) == ["enter", "synced", "update", "enter"]
    assert subscriber.nodes[NODES[0].public.hex()]["region"] == "us"


def test_what_changes_and_changes_back_between_flushes_is_not_told() -> None:
    world = World()
    world.put(0)
    subscriber = watched(world, max_rate_ms=1_000)
    world.put(0, state="cordoned")
    world.put(0)
    world.put(1)
    world.put(1, contact=1)
    world.wait(1.0)
    world.read(1)
    assert kinds(subscriber) == ["enter", "synced"]


def test_a_flush_is_scheduled_for_what_is_held_back() -> None:
    world = World()
    watched(world, max_rate_ms=2_000)
    world.put(0)
    assert world.due == pytest.approx(2.0)
    assert world.unread[1] == []


def test_no_more_than_a_few_notifications_are_on_their_way_to_a_session() -> None:
    world = World()
    subscriber = watched(world, max_rate_ms=0)
    for node in range(8):
        world.put(node)
        world.wait(0.1)
    assert len(world.unread[1]) == NOTIFICATIONS_UNSENT_MAX
    world.read(1)
    assert len(subscriber.versions) == 8


def test_a_subscription_is_of_one_session_and_ends_with_it() -> None:
    world = World()
    subscriber = watched(world)
    world.open(2)
    with pytest.raises(Refused, match="no subscription"):
        world.watching.unsubscribe(2, subscriber.number)
    world.watching.close(1)
    assert len(world.watching) == 0
    world.put(0)
    assert world.unread[1] == []
    assert world.watching.writable(1, 5.0) == []


def test_the_number_of_subscriptions_of_a_session_is_limited() -> None:
    world = World()
    for _ in range(SUBSCRIPTIONS_PER_SESSION_MAX):
        world.subscribe(1)
    with pytest.raises(Refused) as caught:
        world.subscribe(1)
    assert caught.value.reason == "limit.subscriptions"
    assert world.subscribe(2) is not None


def test_an_equal_digest_resumes_with_nothing_and_a_different_one_with_a_snapshot() -> None:
    world = World()
    world.put(0)
    held = watched(world)
    again = watched(world, 2, resuming=held)
    assert (again.mode, kinds(again)) == ("difference", ["synced"])
    world.put(1)
    assert watched(world, 3, resuming=again).mode == "snapshot"


def test_a_registry_that_is_not_synced_waits_and_then_answers_all_the_same() -> None:
    world = World()
    world.put(0)
    held = watched(world)
    world.put(1)
    world.synced = False
    assert world.subscribe(2, resuming=held) is None
    world.wait(RESUME_WAIT_SECONDS - 1.0)
    assert len(world.subscribers) == 1
    world.put(2)
    world.wait(1.0)
    world.read(2)
    late = list(world.subscribers.values())[-1]
    assert late.mode == "snapshot"
    assert len(late.versions) == 3


def test_a_registry_that_comes_to_see_what_the_waiting_client_holds_answers_with_nothing() -> None:
    world = World()
    world.put(0)
    held = watched(world)
    world.synced = False
    world.put(0, state="cordoned")
    assert world.subscribe(2, resuming=held) is None
    world.put(0)
    world.synced = True
    world.wait(1.0)
    world.read(2)
    [_, resumed] = world.subscribers.values()
    assert (resumed.mode, kinds(resumed)) == ("difference", ["synced"])


@pytest.mark.parametrize("many", ["nodes to tell", "nodes to follow", "large filters", "subscriptions"])
def test_what_all_clients_together_follow_is_limited(many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SUBSCRIPTIONS_BYTES_MAX", 100_000)
    if many.startswith("nodes"):
        monkeypatch.setattr(subscriptions, "NODE_BYTES", 10_000)
    world = World()
    world.put(0)
    with pytest.raises(Refused) as caught:
        for session in range(2, 102):
            text = "x" * 10_000 if many == "large filters" else str(session)
            query = {"or": [{"exists": "region"}, {"eq": ["region", f"{session} {text}"]}]}
            subscriber = world.subscribe(session, filter=query if many != "nodes to tell" else None)
            if many == "nodes to follow":
                world.read(session)
            assert subscriber is not None
    assert caught.value.reason == "registry.overloaded"
    assert 2 <= len(world.watching) <= 30
    for session in range(2, 102):
        world.watching.close(session)
    assert world.subscribe(1) is not None


def test_subscriptions_that_wait_count_towards_the_limit() -> None:
    world = World()
    world.put(0)
    held = watched(world)
    world.put(1)
    world.synced = False
    for _ in range(SUBSCRIPTIONS_PER_SESSION_MAX):
        assert world.subscribe(2, resuming=held) is None
    with pytest.raises(Refused) as caught:
        world.subscribe(2, resuming=held)
    assert caught.value.reason == "limit.subscriptions"


def test_of_many_that_wait_only_some_begin_in_one_tick_and_each_does_in_the_end() -> None:
    world = World()
    world.put(0)
    held = watched(world)
    world.put(1)
    world.synced = False
    sessions = range(2, 3 + 2 * RESUMES_PER_TICK_MAX)
    assert all(world.subscribe(session, resuming=held, filter=None) is None for session in sessions)
    world.synced = True
    begun = []
    for _ in range(3):
        before = len(world.watching)
        world.carry_out(world.watching.tick(world.now))
        begun.append(len(world.watching) - before)
    assert begun == [RESUMES_PER_TICK_MAX, RESUMES_PER_TICK_MAX, 1]


def test_a_digest_of_what_was_told_comes_every_30_s_also_when_flushes_are_rarer() -> None:
    world = World()
    world.put(0)
    subscriber = watched(world, max_rate_ms=60_000)
    world.put(0, "us")
    world.put(1)
    for _ in range(30):
        world.wait(1.0)
        world.read(1)
    assert kinds(subscriber) == ["enter", "synced", "digest"]
    world.wait(30.0)
    world.read(1)
    assert kinds(subscriber)[3:5] == ["update", "enter"]


def test_a_client_that_hangs_up_while_it_waits_is_forgotten() -> None:
    world = World()
    world.put(0)
    held = watched(world)
    world.synced = False
    world.put(1)
    world.subscribe(2, resuming=held)
    world.watching.close(2)
    world.wait(RESUME_WAIT_SECONDS)
    assert len(world.watching) == 1


changes = st.tuples(
    st.integers(0, 7), st.sampled_from(REGIONS), st.sampled_from(["serving", "cordoned"]), st.integers(0, 2)
)
steps = st.lists(st.one_of(changes, st.sampled_from([1, 2, 3]), st.floats(0.0, 40.0)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_changes_and_whenever_it_is_read_every_watcher_ends_up_with_what_there_is(steps: list[Any]) -> None:
    """The subscriber itself asserts the order, the digests and that nothing is entered twice."""
    world = World()
    world.put(0)
    watchers = [
        watched(world, 1, include="all"),
        watched(world, 2, include="live", filter={"eq": ["region", "eu"]}, max_rate_ms=5_000),
        watched(world, 3, max_rate_ms=0),
    ]
    for step in steps:
        if isinstance(step, tuple):
            world.put(*step)
        elif isinstance(step, int):
            world.read(step)
        else:
            world.wait(step)
    for session in (1, 2, 3):
        for _ in range(3):
            world.read(session)
            world.wait(30.0)
        world.read(session)
    entries = list(world.directory)
    shown = [
        entries,
        [entry for entry in entries if entry.contact == "live" and entry.advert.body["region"] == "eu"],
        [entry for entry in entries if entry.allocatable],
    ]
    for watcher, expected in zip(watchers, shown, strict=True):
        assert watcher.versions == {entry.node_id.hex(): entry.version.hex() for entry in expected}
