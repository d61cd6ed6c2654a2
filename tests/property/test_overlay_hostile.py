from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.effects import Connect, Misbehaved, Schedule, Send
from p2preg.base.events import ConnectFailed, Expired, PeerDown, PeerUp, Received
from p2preg.base.limits import OVERLAY_INVITES_MAX, RING_MAX
from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.core import OverlayCore
from p2preg.overlay.events import Learned, Member, MemberGone
from p2preg.wire.messages import (
    DisconnectNeighbor,
    ForwardJoin,
    Join,
    Neighbor,
    NeighborReply,
    Shuffle,
    ShuffleReply,
)

ALICE = b"a" * 32
FRIENDS = [b"f" + bytes([number]) * 31 for number in range(8)]
MALLORY = b"m" * 32
PEERS = [ALICE, MALLORY, *FRIENDS, *(b"z" + bytes([number]) * 31 for number in range(6))]

cells = st.sampled_from([b"cell of " + peer for peer in PEERS] + [b"junk"])
messages = st.one_of(
    st.just(Join()),
    st.builds(ForwardJoin, cells, st.integers(0, 255)),
    st.builds(Neighbor, st.integers(0, 4) | st.integers(0, 255)),
    st.builds(NeighborReply, st.integers(0, 255)),
    st.just(DisconnectNeighbor()),
    st.builds(Shuffle, st.integers(0, 255), st.lists(cells, min_size=1, max_size=12)),
    st.builds(ShuffleReply, st.lists(cells, max_size=12)),
)
peers = st.sampled_from(PEERS)
round_trips = st.one_of(st.none(), st.floats(0.0, 1.0))
timers = st.one_of(
    st.sampled_from([("overlay", "repair"), ("overlay", "ring"), ("overlay", "shuffle")]),
    peers.map(lambda peer: ("overlay", "request", peer)),
)
events = st.one_of(
    st.builds(Received, peers, messages),
    st.builds(Received, peers, messages),
    st.builds(PeerUp, peers.filter(lambda peer: peer != ALICE), st.booleans(), round_trips),
    st.builds(PeerUp, peers.filter(lambda peer: peer != ALICE), st.booleans(), round_trips),
    st.builds(PeerDown, peers),
    st.builds(ConnectFailed, peers),
    st.builds(Member, peers, st.sampled_from(["", "10.0.0.0/24", "10.0.1.0/24"]), st.sampled_from(["", "eu"])),
    st.builds(MemberGone, peers),
    st.builds(Expired, timers),
)


def alice() -> OverlayCore:
    return OverlayCore(ALICE, OverlayConfig(), Random(1), lambda peer: b"cell of " + peer, "eu")


def among_friends() -> OverlayCore:
    """Alice with four neighbours that dialled her and four that she dialled."""
    core = alice()
    for at, friend in enumerate(FRIENDS):
        core.handle(PeerUp(friend, at >= 4, 0.1), 0.0)
        core.handle(Received(friend, Neighbor(1)), 0.0)
        core.handle(Member(friend, f"10.0.{at}.0/24"), 0.0)
    return core


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(events, st.floats(0, 30)), max_size=60))
def test_no_sequence_of_events_breaks_an_invariant(steps: list[tuple[object, float]]) -> None:
    core, now = alice(), 0.0
    for event, pause in steps:
        now += pause
        effects = core.handle(event, now)
        core.check_invariants()
        assert all(effect.at >= now for effect in effects if isinstance(effect, Schedule))
        assert core.handle(Expired(("overlay", "unknown")), now) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(messages, st.floats(0, 5)), max_size=80))
def test_one_hostile_peer_never_costs_us_the_neighbours_that_we_chose_nor_makes_us_dial_strangers(
    steps: list[tuple[object, float]],
) -> None:
    """Nor if it is nearer than all of them."""
    core, now = among_friends(), 1.0
    core.handle(PeerUp(MALLORY, False, 0.001), now)
    for message, pause in steps:
        now += pause
        effects = core.handle(Received(MALLORY, message), now)
        assert all(effect.peer in (MALLORY, *FRIENDS) for effect in effects if isinstance(effect, Connect))
    core.check_invariants()
    assert set(FRIENDS[4:]) <= set(core.active)
    assert len(core.neighbours) <= 8 + RING_MAX


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(messages, st.integers(0, 200)), max_size=10))
def test_what_a_peer_costs_is_bounded_however_much_it_sends(bursts: list[tuple[object, int]]) -> None:
    """Within one second: replies, walks and cells to verify stay below the rates' bursts."""
    core = among_friends()
    core.handle(PeerUp(MALLORY, False), 1.0)
    walks = learned = misbehaved = 0
    for message, count in bursts:
        for _ in range(count):
            for effect in core.handle(Received(MALLORY, message), 1.0):
                match effect:
                    case Send(peer, ForwardJoin() | Shuffle()) if peer != MALLORY:
                        walks += 1
                    case Learned():
                        learned += 1
                    case Misbehaved():
                        misbehaved += 1
    core.check_invariants()
    assert walks <= 4 * 14 + 64 + 32  # what four Joins start, and what is passed on
    assert learned <= 64 + 32 + 1
    assert misbehaved <= 1


@settings(max_examples=30, deadline=None)
@given(st.lists(peers, max_size=40), st.booleans())
def test_recommended_newcomers_never_take_the_places_that_we_chose(newcomers: list[bytes], answers: bool) -> None:
    core, now = among_friends(), 1.0
    for newcomer in newcomers:
        now += 1.0
        core.handle(Received(FRIENDS[0], ForwardJoin(b"cell of " + newcomer, 0)), now)
        effects = core.handle(Member(newcomer, ""), now)
        dialled = [effect.peer for effect in effects if isinstance(effect, Connect)]
        assert len(dialled) <= OVERLAY_INVITES_MAX
        for peer in dialled if answers else []:
            core.handle(PeerUp(peer, True), now)
            core.handle(Received(peer, NeighborReply(1)), now)
    core.check_invariants()
    assert set(FRIENDS[5:]) <= set(core.active)
