"""The reconciliation core, message by message: what it asks, what it answers, and what a stranger can make it do."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest

from p2preg.base.effects import Misbehaved, Schedule, Send
from p2preg.base.errors import ConfigError
from p2preg.base.events import Expired, PeerDown, PeerUp
from p2preg.base.limits import RECONCILE_PEERS_MAX, RECONCILE_REQUESTS_MAX, RECONCILE_SESSIONS_MAX
from p2preg.reconcile.config import ReconcileConfig
from p2preg.reconcile.core import ReconcileCore
from p2preg.reconcile.digests import Digests
from p2preg.reconcile.effects import Offer, SessionEnded
from p2preg.reconcile.events import Asked, Offered, Reconcile
from p2preg.wire.messages import (
    AskCells,
    AskElements,
    AskFingerprints,
    AskStream,
    Cells,
    Elements,
    Fingerprint,
    Fingerprints,
    PushCells,
    Range,
    StreamCells,
    SyncRefused,
)

NOW_MS = 1_800_000_000_000
ALICE, BOB, MALLORY = b"a" * 32, b"b" * 32, b"m" * 32
ROOT = [Range(0, 4096)]
NOTHING = Fingerprint(0, bytes(16))
START = bytes(32)


def element(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def core_with(names: list[str], **config: object) -> ReconcileCore:
    """A core that holds a lease for each name, linked to alice, bob and mallory."""
    digests = Digests()
    for number, name in enumerate(names):
        digests.add(3, number, name.encode(), element(name), NOW_MS + 1_000_000)
    core = ReconcileCore(digests, random.Random(1), ReconcileConfig(**config), lambda key: b"cell of " + key)
    for peer in (ALICE, BOB, MALLORY):
        core.handle(PeerUp(peer, True), 0.0)
    return core


def answer(core: ReconcileCore, request: object, peer: bytes = BOB, now: float = 0.0) -> object:
    """What the core sends back."""
    (effect,) = core.handle(Asked(peer, request, NOW_MS), now)
    assert isinstance(effect, Send)
    assert effect.peer == peer
    return effect.message


# --- answering ----------------------------------------------------------------------------------------------


def test_fingerprints_come_in_the_order_asked() -> None:
    core = core_with(["carol"])
    reply = answer(core, AskFingerprints(7, NOW_MS, 3, [Range(0, 1), Range(1, 4096)]))
    assert reply == Fingerprints(7, [Fingerprint(1, element("carol")[:16]), NOTHING])


def test_elements_go_on_after_the_one_named() -> None:
    core = core_with(["one", "two"])
    first, second = sorted([element("one"), element("two")])
    assert answer(core, AskElements(7, NOW_MS, 3, ROOT, START)) == Elements(7, [first, second], 0)
    assert answer(core, AskElements(8, NOW_MS, 3, ROOT, first)) == Elements(8, [second], 0)


def test_cells_that_no_longer_exist_are_left_out() -> None:
    core = core_with(["one"])
    assert answer(core, AskCells(7, 3, [element("gone"), element("one")])) == Cells(7, [b"cell of one"], 0)


def test_a_full_frame_of_cells_says_that_there_is_more() -> None:
    core = core_with(["one", "two", "three"], frame_bytes=64 + 2 * 20)
    asked = [element("three"), element("two"), element("one")]
    assert answer(core, AskCells(7, 3, asked)) == Cells(7, [b"cell of three", b"cell of two"], 1)


def test_a_stream_names_the_place_where_it_goes_on() -> None:
    core = core_with(["one", "two", "three"], frame_bytes=64 + 2 * 20)
    reply = answer(core, AskStream(7, NOW_MS, 3, 0, START))
    assert reply == StreamCells(7, [b"cell of one", b"cell of two"], 1, element("two"), 1)
    reply = answer(core, AskStream(8, NOW_MS, 3, 1, element("two")))
    assert reply == StreamCells(8, [b"cell of three"], 4096, START, 0)


@pytest.mark.parametrize("apart_ms", [-600_001, 600_001])
def test_a_clock_too_far_off_is_refused_and_one_at_the_bound_is_not(apart_ms: int) -> None:
    core = core_with([])
    assert answer(core, AskFingerprints(7, NOW_MS + apart_ms, 3, ROOT)) == SyncRefused(7, "clock")
    at_the_bound = NOW_MS + (600_000 if apart_ms > 0 else -600_000)
    assert answer(core, AskFingerprints(8, at_the_bound, 3, ROOT)) == Fingerprints(8, [NOTHING])


def test_a_kind_that_is_not_stored_here_is_refused() -> None:
    assert answer(core_with([]), AskFingerprints(7, NOW_MS, 200, ROOT)) == SyncRefused(7, "kind")


@pytest.mark.parametrize("ranges", [[Range(0, 9), Range(8, 10)], [Range(5, 5)], [Range(4096, 0)], ROOT * 2])
def test_ranges_that_overlap_or_hold_nothing_close_the_link(ranges: list[Range]) -> None:
    core = core_with([])
    for request in (AskFingerprints(7, NOW_MS, 3, ranges), AskElements(7, NOW_MS, 3, ranges, START)):
        (effect,) = core.handle(Asked(MALLORY, request, NOW_MS), 0.0)
        assert isinstance(effect, Misbehaved)


def test_more_requests_than_the_rate_allows_are_refused_until_time_has_passed() -> None:
    core = core_with([], rate=2.0, burst=5.0)
    replies = [answer(core, AskFingerprints(n, NOW_MS, 3, ROOT), MALLORY) for n in range(7)]
    assert replies[5:] == [SyncRefused(5, "busy"), SyncRefused(6, "busy")]
    assert isinstance(answer(core, AskFingerprints(8, NOW_MS, 3, ROOT), BOB), Fingerprints)
    assert isinstance(answer(core, AskFingerprints(9, NOW_MS, 3, ROOT), MALLORY, now=0.5), Fingerprints)
    assert answer(core, AskFingerprints(10, NOW_MS, 3, ROOT), MALLORY, now=0.5) == SyncRefused(10, "busy")


def test_an_answer_that_took_much_work_counts_as_several() -> None:
    core = core_with([str(number) for number in range(4_000)], burst=5.0)
    future = NOW_MS + 600_000
    for number in range(4_000):
        core._digests.add(3, number, str(number).encode(), element(str(number)), future)
    answers = [answer(core, AskFingerprints(n, future, 3, ROOT)) for n in range(3)]
    assert [type(reply) for reply in answers] == [Fingerprints, Fingerprints, SyncRefused]


def test_a_stranger_gets_no_answer() -> None:
    core = core_with([])
    assert core.handle(Asked(b"?" * 32, AskFingerprints(7, NOW_MS, 3, ROOT), NOW_MS), 0.0) == []
    core.handle(PeerDown(BOB), 0.0)
    assert core.handle(Asked(BOB, PushCells([b"cell"]), NOW_MS), 0.0) == []


def test_the_links_whose_rate_is_kept_are_capped() -> None:
    core = core_with([])
    for number in range(RECONCILE_PEERS_MAX):
        core.handle(PeerUp(number.to_bytes(32), True), 0.0)
    assert core.handle(Asked(ALICE, AskFingerprints(7, NOW_MS, 3, ROOT), NOW_MS), 0.0) == []
    assert isinstance(answer(core, AskFingerprints(7, NOW_MS, 3, ROOT), (5).to_bytes(32)), Fingerprints)


def test_pushed_cells_are_offered_until_the_pusher_has_used_up_its_credit() -> None:
    core = core_with([], burst=4.0)
    push = Asked(MALLORY, PushCells([b"one", b"two"]), NOW_MS)
    offers = [core.handle(push, 0.0) for _ in range(12)]
    assert offers == [[Offer(MALLORY, None, (b"one", b"two"))]] * 8 + [[]] * 4
    assert answer(core, AskFingerprints(7, NOW_MS, 3, ROOT), MALLORY) == SyncRefused(7, "busy")
    core.handle(Offered(None, 2, 1), 0.0)
    assert (core.statistics().received, core.statistics().repaired) == (2, 1)


# --- asking -------------------------------------------------------------------------------------------------


def test_a_session_begins_with_the_roots_of_all_kinds_registries_then_leases_then_adverts() -> None:
    *sends, timer = core_with([]).handle(Reconcile(BOB, NOW_MS), 10.0)
    assert [send.message.kind for send in sends] == [1, 3, 2]
    assert all(send.message.ranges == ROOT and send.message.as_of_ms == NOW_MS for send in sends)
    assert timer == Schedule(15.0, ("reconcile", 1))


def test_one_session_per_peer_and_a_few_at_once() -> None:
    core = core_with([])
    peers = [number.to_bytes(32) for number in range(RECONCILE_SESSIONS_MAX + 1)]
    for peer in peers:
        core.handle(PeerUp(peer, True), 0.0)
    assert core.handle(Reconcile(peers[0], NOW_MS), 0.0)
    assert core.handle(Reconcile(peers[0], NOW_MS), 0.0) == []
    for peer in peers[1:-1]:
        assert core.handle(Reconcile(peer, NOW_MS), 0.0)
    assert core.handle(Reconcile(peers[-1], NOW_MS), 0.0) == []
    core.handle(PeerDown(peers[0]), 0.0)
    assert core.handle(Reconcile(peers[-1], NOW_MS), 0.0)
    assert core.handle(Reconcile(b"?" * 32, NOW_MS), 0.0) == []
    core.check_invariants()


def test_a_peer_that_does_not_answer_in_time_ends_the_session() -> None:
    core = core_with([])
    core.handle(Reconcile(BOB, NOW_MS), 0.0)
    assert core.handle(Expired(("reconcile", 1)), 5.0) == [SessionEnded(BOB, False, 0, 0, 0, equal_at_start=False)]
    assert core.handle(Expired(("reconcile", 1)), 6.0) == []
    assert core.statistics().failed == 1


def test_a_kind_that_the_peer_does_not_store_is_no_difference() -> None:
    core = core_with(["one"])

    def old_release(request: AskFingerprints) -> object:
        return SyncRefused(request.request, "kind") if request.kind == 3 else Fingerprints(request.request, [NOTHING])

    ended, requests = play(core, old_release)
    assert ended == SessionEnded(MALLORY, True, 0, 0, 0, equal_at_start=True)
    assert len(requests) == 3


def test_the_next_question_waits_until_offered_cells_are_merged() -> None:
    core = core_with([])
    *sends, _ = core.handle(Reconcile(BOB, NOW_MS), 0.0)
    for send in sends:
        root = Fingerprint(1, bytes(16)) if send.message.kind == 1 else NOTHING
        effects = core.handle(Asked(BOB, Fingerprints(send.message.request, [root]), NOW_MS), 0.0)
    asked = effects[0].message
    assert isinstance(asked, AskElements)
    effects = core.handle(Asked(BOB, Elements(asked.request, [element("new")], 0), NOW_MS), 0.0)
    asked = effects[0].message
    assert asked == AskCells(asked.request, 1, [element("new")])
    effects = core.handle(Asked(BOB, Cells(asked.request, [b"new"], 0), NOW_MS), 1.0)
    assert effects == [Offer(BOB, 1, (b"new",)), Schedule(300.0, ("reconcile", 1))]
    ended = core.handle(Offered(1, 1, 1), 2.0)
    assert ended == [SessionEnded(BOB, True, 1, 0, 1, equal_at_start=False)]


def test_late_and_unasked_replies_change_nothing() -> None:
    core = core_with([])
    *sends, _ = core.handle(Reconcile(BOB, NOW_MS), 0.0)
    request = sends[0].message.request
    assert core.handle(Asked(ALICE, Fingerprints(request, [NOTHING]), NOW_MS), 0.0) == []
    assert core.handle(Asked(BOB, Fingerprints(request + 99, [NOTHING]), NOW_MS), 0.0) == []
    assert core.handle(Asked(BOB, Fingerprints(request, [NOTHING]), NOW_MS), 0.0) == []
    assert core.handle(Asked(BOB, Fingerprints(request, [NOTHING]), NOW_MS), 0.0) == []
    assert core.handle(Offered(1, 5, 5), 0.0) == []
    assert core.statistics().running == 1


# --- a responder that lies ----------------------------------------------------------------------------------

Script = Callable[..., object]


def play(core: ReconcileCore, script: Script, merged: int = 0) -> tuple[object, list[object]]:
    """A session with mallory, who answers by `script`: what it ended with, and all that was asked. The clock stands
    still, so that only bounds on the work can end it."""
    asked: list[object] = []
    effects = core.handle(Reconcile(MALLORY, NOW_MS), 0.0)
    while not isinstance(effects[-1], SessionEnded):
        assert len(asked) < 10_000, "mallory keeps the session for ever"
        following: list[object] = []
        for effect in effects:
            if isinstance(effect, Offer):
                following += core.handle(Offered(effect.session, merged, 0), 0.0)
            elif isinstance(effect, Send) and not isinstance(effect.message, PushCells):
                asked.append(effect.message)
                following += core.handle(Asked(MALLORY, script(effect.message), NOW_MS), 0.0)
        effects = following
        core.check_invariants()
    return effects[-1], asked


def lie(request: object, count: int, elements: Script, cells: Script) -> object:
    match request:
        case AskFingerprints(number, _, _, ranges):
            return Fingerprints(number, [Fingerprint(count, bytes(16))] * len(ranges))
        case AskElements():
            return elements(request)
        case _:
            return cells(request)


def no_elements(request: AskElements) -> Elements:
    return Elements(request.request, [], 0)


def endless_elements(request: AskElements) -> Elements:
    start = int.from_bytes(request.after)
    return Elements(request.request, [(start + step).to_bytes(32) for step in range(1, 1_501)], 1)


def endless_stream(request: AskStream) -> StreamCells:
    onward = (int.from_bytes(request.after) + 1).to_bytes(32)
    return StreamCells(request.request, [b"junk"], request.shard, onward, 1)


def test_wrong_fingerprints_end_the_session_at_its_bound_on_requests() -> None:
    core = core_with([str(number) for number in range(4_096)], kinds=(3,), leaf=0)
    ended, asked = play(core, lambda request: lie(request, 2_500, no_elements, no_elements))
    assert ended.ok is False
    assert len(asked) == RECONCILE_REQUESTS_MAX


def test_elements_without_end_that_never_become_cells_end_the_session() -> None:
    core = core_with(["one"], stream_min=2**63)
    ended, asked = play(core, lambda r: lie(r, 100, endless_elements, lambda ask: Cells(ask.request, [], 0)))
    assert ended == SessionEnded(MALLORY, False, 0, 0, 0, equal_at_start=False)
    assert len(asked) < 30


@pytest.mark.parametrize("bound", [{"requests_max": 50}, {"bytes_max": 200}])
def test_cells_without_end_end_the_session_at_its_bounds(bound: dict[str, int]) -> None:
    core = core_with(["one"], **bound)
    ended, asked = play(core, lambda request: lie(request, 10**9, no_elements, endless_stream))
    assert ended.ok is False
    assert len(asked) <= 60


def test_time_ends_a_session_that_nothing_else_ends() -> None:
    core = core_with([], seconds_max=20.0)
    effects, now = core.handle(Reconcile(MALLORY, NOW_MS), 0.0), 0.0
    while not isinstance(effects[-1], SessionEnded):
        now += 1.0
        assert now < 30.0
        offers = [effect for effect in effects if isinstance(effect, Offer)]
        sends = [effect.message for effect in effects if isinstance(effect, Send)]
        effects = [e for offer in offers for e in core.handle(Offered(offer.session, 1, 0), now)]
        for message in sends:
            reply = lie(message, 10**9, no_elements, endless_stream)
            effects += core.handle(Asked(MALLORY, reply, NOW_MS), now)
    assert effects == [SessionEnded(MALLORY, False, effects[-1].received, 0, 0, equal_at_start=False)]
    assert now == 20.0


def test_a_peer_that_is_always_busy_is_given_up() -> None:
    core = core_with([], busy_max=3)
    effects = core.handle(Reconcile(MALLORY, NOW_MS), 0.0)
    for attempt in range(1, 10):
        for send in [effect for effect in effects if isinstance(effect, Send)]:
            effects = core.handle(Asked(MALLORY, SyncRefused(send.message.request, "busy"), NOW_MS), attempt * 0.5)
            if isinstance(effects[-1], SessionEnded):
                assert attempt == 2
                return
        effects = core.handle(Expired(("reconcile", 1)), attempt * 0.5 + 0.5)
    pytest.fail("the session goes on")


LIES: dict[str, Script] = {
    "too few fingerprints": lambda r: Fingerprints(r.request, []),
    "another kind of reply": lambda r: Cells(r.request, [], 0),
    "descending elements": lambda r: lie(
        r, 9, lambda ask: Elements(ask.request, [element("b"), bytes(31) + b"\1"], 0), no_elements
    ),
    "an empty page with more to come": lambda r: lie(r, 9, lambda ask: Elements(ask.request, [], 1), no_elements),
    "more cells than were asked for": lambda r: lie(
        r, 9, lambda ask: Elements(ask.request, [element("b")], 0), lambda ask: Cells(ask.request, [b"1", b"2"], 0)
    ),
    "no cells with more to come": lambda r: lie(
        r, 9, lambda ask: Elements(ask.request, [element("b")], 0), lambda ask: Cells(ask.request, [], 1)
    ),
    "a stream that stands still": lambda r: lie(
        r, 99, no_elements, lambda ask: StreamCells(ask.request, [b"1"], ask.shard, ask.after, 1)
    ),
    "a stream of nothing": lambda r: lie(r, 99, no_elements, lambda ask: StreamCells(ask.request, [], 9, START, 1)),
}


@pytest.mark.parametrize("script", LIES.values(), ids=LIES.keys())
def test_a_reply_that_breaks_the_rules_closes_the_link(script: Script) -> None:
    core = core_with([])
    effects = core.handle(Reconcile(MALLORY, NOW_MS), 0.0)
    while not isinstance(effects[-1], SessionEnded):
        sends = [effect.message for effect in effects if isinstance(effect, Send)]
        effects = [e for message in sends for e in core.handle(Asked(MALLORY, script(message), NOW_MS), 0.0)]
        if isinstance(effects[0], Misbehaved):
            break
    misbehaved, ended = effects[:2]
    assert isinstance(misbehaved, Misbehaved)
    assert ended == SessionEnded(MALLORY, False, 0, 0, 0, equal_at_start=False)


def test_a_config_whose_numbers_do_not_fit_is_refused() -> None:
    ReconcileConfig().validate()
    with pytest.raises(ConfigError):
        ReconcileConfig(seconds_max=1.0).validate()
    with pytest.raises(ConfigError):
        ReconcileConfig(burst=2.0).validate()
