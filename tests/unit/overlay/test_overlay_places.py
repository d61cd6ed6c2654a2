from __future__ import annotations

from itertools import pairwise

import pytest
from overlay_people import BOB, CAROL, CONFIG, MALLORY, asked, befriend, crowd, full, sent

from p2preg.base.effects import Misbehaved, Schedule
from p2preg.base.events import ConnectFailed, Expired, NeighborUp, PeerDown, PeerUp, Received
from p2preg.base.limits import (
    OVERLAY_DEBT_MAX,
    OVERLAY_FORWARD_JOIN_RATE,
    OVERLAY_JOIN_RATE,
    OVERLAY_LINKS_MAX,
    OVERLAY_NEIGHBOR_RATE,
    OVERLAY_SHUFFLE_RATE,
    RING_MAX,
)
from p2preg.overlay.core import OverlayCore
from p2preg.overlay.events import Member, MemberGone
from p2preg.wire.messages import (
    DisconnectNeighbor,
    ForwardJoin,
    Join,
    Neighbor,
    NeighborReply,
    Shuffle,
    ShuffleReply,
)

# --- whose choice the places are ----------------------------------------------------------------------------


def test_places_beyond_the_inbound_share_are_kept_while_others_could_be_dialled(alice: OverlayCore) -> None:
    dialling = crowd(5)
    for number in range(1, 7):
        alice.handle(Member(b"d" + bytes([number]) * 31, ""), 0.0)
    for peer in dialling[:4]:
        befriend(alice, peer)
    alice.handle(PeerUp(dialling[4], False), 0.0)
    assert sent(alice.handle(Received(dialling[4], Neighbor(0)), 0.0), dialling[4]) == [NeighborReply(0)]


def test_a_place_is_never_left_empty_for_want_of_others_to_dial(alice: OverlayCore) -> None:
    for peer in crowd(8):
        alice.handle(PeerUp(peer, False), 0.0)
        alice.handle(Member(peer, ""), 0.0)
        alice.handle(Received(peer, Neighbor(0)), 0.0)
    assert len(alice.active) == 8
    assert alice.statistics().inbound == 8


def test_the_kept_places_are_given_away_once_those_who_could_be_dialled_keep_declining(alice: OverlayCore) -> None:
    others = [b"d" + bytes([number]) * 31 for number in range(1, 30)]
    for peer in crowd(4):
        befriend(alice, peer)
    now = 0.0
    for peer in others:
        alice.handle(Member(peer, ""), now)
    while alice.statistics().in_vain < CONFIG.active_max:
        now += 20.0
        for peer in asked(alice.handle(Expired(("overlay", "repair")), now)) or others:
            alice.handle(ConnectFailed(peer), now)
    alice.handle(PeerUp(MALLORY, False), now)
    assert sent(alice.handle(Received(MALLORY, Neighbor(0)), now), MALLORY) == [NeighborReply(1)]


def test_a_flood_of_peers_that_are_alone_takes_inbound_places_only(alice: OverlayCore) -> None:
    friends = full(alice)
    for number in range(100):
        befriend(alice, b"m" + bytes([number]) * 31)
    assert set(friends[4:]) <= set(alice.active)
    assert alice.statistics().inbound == 4


def test_an_inbound_neighbour_too_many_is_replaced_when_somebody_we_dial_has_a_place(alice: OverlayCore) -> None:
    for peer in crowd(8):
        befriend(alice, peer)
        alice.handle(Member(peer, ""), 0.0)
    dave = b"p" + bytes([3]) * 30 + b"d"  # between two of the crowd, so no side of Alice's
    alice.handle(Member(dave, ""), 0.0)
    assert asked(alice.handle(Expired(("overlay", "shuffle")), 3.0)) == [dave]
    alice.handle(PeerUp(dave, True), 3.1)
    alice.handle(Received(dave, NeighborReply(1)), 3.2)
    assert dave in alice.active
    assert alice.statistics().inbound == 7
    assert asked(alice.handle(Expired(("overlay", "shuffle")), 23.0)) == []  # nobody else could be dialled


# --- the ring -----------------------------------------------------------------------------------------------


def test_a_missing_side_is_asked_with_the_rings_priority_beside_a_full_view(alice: OverlayCore) -> None:
    full(alice)
    assert Schedule(0.5, ("overlay", "ring")) in alice.handle(Member(BOB, ""), 0.0)
    assert asked(alice.handle(Expired(("overlay", "ring")), 0.5)) == [BOB]
    assert sent(alice.handle(PeerUp(BOB, True), 0.6), BOB) == [Neighbor(2)]
    alice.handle(Received(BOB, NeighborReply(1)), 0.7)
    assert BOB in alice.neighbours
    assert BOB not in alice.active
    assert len(alice.neighbours) == 9


def test_a_ring_request_is_granted_beside_a_full_view_up_to_a_few_guests(alice: OverlayCore) -> None:
    full(alice)
    answers = []
    for number in range(1, RING_MAX + 1):
        guest = b"g" + bytes([number]) * 31
        alice.handle(PeerUp(guest, False), 0.0)
        answers += sent(alice.handle(Received(guest, Neighbor(2)), 0.0), guest)
    assert answers == [NeighborReply(1)] * (RING_MAX - 2) + [NeighborReply(0)] * 2
    assert len(alice.active) == 8


def test_a_true_side_finds_its_place_among_guests(alice: OverlayCore) -> None:
    full(alice)
    for number in range(1, RING_MAX + 1):
        guest = b"g" + bytes([number]) * 31
        alice.handle(PeerUp(guest, False), 0.0)
        alice.handle(Received(guest, Neighbor(2)), 0.0)
    alice.handle(Member(BOB, ""), 0.0)
    alice.handle(PeerUp(BOB, False), 0.0)
    assert sent(alice.handle(Received(BOB, Neighbor(2)), 0.0), BOB) == [NeighborReply(1)]


def test_an_unreachable_side_is_passed_over_and_tried_again_now_and_then(alice: OverlayCore) -> None:
    full(alice)
    alice.handle(Member(BOB, ""), 0.0)
    alice.handle(Member(CAROL, ""), 0.0)
    alice.handle(Member(MALLORY, ""), 0.0)
    assert sorted(asked(alice.handle(Expired(("overlay", "ring")), 0.5))) == [BOB, MALLORY]
    alice.handle(ConnectFailed(BOB), 0.6)
    assert asked(alice.handle(Expired(("overlay", "ring")), 1.1)) == [CAROL]
    alice.handle(PeerUp(CAROL, True), 1.2)
    alice.handle(Received(CAROL, NeighborReply(1)), 1.2)
    assert BOB in asked(alice.handle(Expired(("overlay", "shuffle")), 20.0))


def test_a_former_side_is_let_go_once_the_new_ones_stand(alice: OverlayCore) -> None:
    full(alice)
    for at, peer in enumerate((CAROL, BOB, b"z" * 32)):
        alice.handle(Member(peer, ""), at)
        assert asked(alice.handle(Expired(("overlay", "ring")), at + 0.5)) == [peer]
        alice.handle(PeerUp(peer, True), at + 0.6)
        effects = alice.handle(Received(peer, NeighborReply(1)), at + 0.6)
        assert effects == [NeighborUp(peer)]
    assert CAROL in alice.neighbours
    effects = alice.handle(Expired(("overlay", "shuffle")), 20.0)
    assert sent(effects, CAROL) == [DisconnectNeighbor()]
    assert set(alice.neighbours) == {*crowd(8), BOB, b"z" * 32}


# --- pauses -------------------------------------------------------------------------------------------------


def test_a_dead_seed_is_dialled_ever_more_rarely_and_at_least_every_15_s(alice: OverlayCore) -> None:
    effects, now, dials = alice.handle(Member(BOB, ""), 0.0), 0.0, []
    for _ in range(20):
        if asked(effects) == [BOB]:
            dials.append(now)
            effects = alice.handle(ConnectFailed(BOB), now)
        due = [effect.at for effect in effects if isinstance(effect, Schedule) and effect.timer[1] == "repair"]
        assert due, "a node that is alone always has a next attempt"
        now = due[0]
        effects = alice.handle(Expired(("overlay", "repair")), now)
    gaps = [later - earlier for earlier, later in pairwise(dials)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 15.0
    assert len([at for at in dials if at <= 60.0]) < 12


def test_the_more_were_asked_in_vain_the_more_are_asked_at_once(alice: OverlayCore) -> None:
    for peer in crowd(6):
        alice.handle(Member(peer, ""), 0.0)
    alice.handle(ConnectFailed(crowd(6)[0]), 2.0)
    assert len(asked(alice.handle(Expired(("overlay", "repair")), 2.2))) == 2


def test_one_that_went_dead_is_no_member_of_the_passive_view(alice: OverlayCore) -> None:
    alice.handle(Member(BOB, ""), 0.0)
    assert alice.role(BOB) == "passive"
    alice.handle(ConnectFailed(BOB), 1.0)
    assert alice.passive == ()
    assert alice.role(BOB) == "known"
    alice.handle(Expired(("overlay", "shuffle")), 10.0)
    assert alice.passive == (BOB,)


def test_a_forgotten_member_is_asked_no_more_but_stays_a_neighbour_while_linked(alice: OverlayCore) -> None:
    for peer in (BOB, CAROL):
        alice.handle(Member(peer, ""), 0.0)
    befriend(alice, BOB)
    for peer in (BOB, CAROL):
        alice.handle(MemberGone(peer), 1.0)
    assert alice.neighbours == (BOB,)
    assert alice.passive == ()
    effects = alice.handle(PeerDown(BOB), 2.0) + alice.handle(Expired(("overlay", "repair")), 60.0)
    assert asked(effects) == []


# --- caps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "burst"),
    [
        (Join(), OVERLAY_JOIN_RATE[0]),
        (Neighbor(0), OVERLAY_NEIGHBOR_RATE[0]),
        (ForwardJoin(b"x", 0), OVERLAY_FORWARD_JOIN_RATE[0]),
        (Shuffle(0, [b"x"]), OVERLAY_SHUFFLE_RATE[0]),
        (ShuffleReply([b"x"]), OVERLAY_SHUFFLE_RATE[0]),
    ],
)
def test_what_exceeds_its_rate_is_dropped_and_a_flood_is_misbehaviour(
    alice: OverlayCore, message: object, burst: int
) -> None:
    alice.handle(PeerUp(MALLORY, False), 0.0)
    for _ in range(burst):
        alice.handle(Received(MALLORY, message), 0.0)
    assert alice.statistics().dropped == 0
    for _ in range(OVERLAY_DEBT_MAX):
        assert alice.handle(Received(MALLORY, message), 0.0) == []
    (effect,) = alice.handle(Received(MALLORY, message), 0.0)
    assert isinstance(effect, Misbehaved)
    assert alice.handle(Received(MALLORY, Join()), 1_000.0) == []  # not heard until it links anew


def test_a_rate_refills(alice: OverlayCore) -> None:
    alice.handle(PeerUp(MALLORY, False), 0.0)
    for _ in range(OVERLAY_NEIGHBOR_RATE[0] + 1):
        effects = alice.handle(Received(MALLORY, Neighbor(0)), 0.0)
    assert effects == []
    assert alice.handle(Received(MALLORY, Neighbor(0)), 10.0) != []


def test_we_pass_on_no_more_than_the_next_would_take(alice: OverlayCore) -> None:
    befriend(alice, BOB, outbound=True)
    burst = OVERLAY_FORWARD_JOIN_RATE[0]
    walks = []
    for number in range(burst):
        newcomer = b"n" + bytes([number]) * 31
        alice.handle(PeerUp(newcomer, False), 0.0)
        for _ in range(3):
            walks += sent(alice.handle(Received(newcomer, Join()), 0.0), BOB)
    forwarded = [walk for walk in walks if isinstance(walk, ForwardJoin)]
    assert len(forwarded) == burst


def test_a_peer_beyond_the_links_we_keep_count_of_is_not_heard(alice: OverlayCore) -> None:
    for number in range(OVERLAY_LINKS_MAX):
        alice.handle(PeerUp(number.to_bytes(32, "big"), False), 0.0)
    alice.handle(PeerUp(MALLORY, False), 0.0)
    assert alice.handle(Received(MALLORY, Join()), 0.0) == []
    alice.check_invariants()
    alice.handle(PeerDown(bytes(32)), 0.0)
    alice.handle(PeerUp(MALLORY, False), 0.0)
    assert alice.handle(Received(MALLORY, Join()), 0.0) != []
