from __future__ import annotations

from random import Random

from overlay_people import ALICE, BOB, CAROL, CONFIG, MALLORY, asked, befriend, cell_of, crowd, full, sent

from p2preg.base.effects import Disconnect, Send
from p2preg.base.events import ConnectFailed, Expired, NeighborDown, NeighborUp, PeerDown, PeerUp, Received
from p2preg.overlay.core import OverlayCore
from p2preg.overlay.events import Learned, Member
from p2preg.wire.messages import (
    DisconnectNeighbor,
    ForwardJoin,
    Join,
    Neighbor,
    NeighborReply,
    Shuffle,
    ShuffleReply,
)

# --- joining ------------------------------------------------------------------------------------------------


def test_the_first_member_is_dialled_and_sent_a_join(alice: OverlayCore) -> None:
    assert asked(alice.handle(Member(BOB, ""), 0.0)) == [BOB]
    effects = alice.handle(PeerUp(BOB, True), 0.1)
    assert sent(effects, BOB) == [Join()]
    assert alice.neighbours == ()
    assert alice.handle(Received(BOB, NeighborReply(1)), 0.2)[:1] == [NeighborUp(BOB)]
    assert alice.neighbours == (BOB,)


def test_while_the_first_is_asked_the_others_wait(alice: OverlayCore) -> None:
    alice.handle(Member(BOB, ""), 0.0)
    assert asked(alice.handle(Member(CAROL, ""), 0.0)) == []


def test_once_a_place_is_filled_the_others_are_asked_for_normally(alice: OverlayCore) -> None:
    alice.handle(Member(BOB, ""), 0.0)
    alice.handle(PeerUp(BOB, True), 0.1)
    alice.handle(Member(CAROL, ""), 0.1)
    assert asked(alice.handle(Received(BOB, NeighborReply(1)), 0.2)) == [CAROL]
    assert sent(alice.handle(PeerUp(CAROL, True), 0.3), CAROL) == [Neighbor(0)]


def test_a_link_that_is_up_already_is_used_at_once(alice: OverlayCore) -> None:
    alice.handle(PeerUp(BOB, False), 0.0)
    effects = alice.handle(Member(BOB, ""), 0.1)
    assert asked(effects) == [BOB]
    assert sent(effects, BOB) == [Join()]
    assert sent(alice.handle(PeerUp(BOB, False), 0.1)) == []


def test_a_second_request_of_one_that_is_alone_is_no_second_join(alice: OverlayCore) -> None:
    alice.handle(Member(BOB, ""), 0.0)
    alice.handle(Member(CAROL, ""), 0.0)
    alice.handle(PeerUp(BOB, True), 0.0)
    alice.handle(ConnectFailed(BOB), 0.0)  # of a second dial, while the link is up
    assert sent(alice.handle(Received(BOB, NeighborReply(0)), 0.1)) == []
    alice.handle(Expired(("overlay", "repair")), 0.3)
    assert sent(alice.handle(PeerUp(CAROL, True), 0.4), CAROL) == [Join()]


def test_a_join_is_always_granted_and_the_newcomer_walks_through_each_other_neighbour(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    befriend(alice, CAROL)
    alice.handle(PeerUp(MALLORY, False), 0.0)
    effects = alice.handle(Received(MALLORY, Join()), 0.0)
    assert sent(effects, MALLORY) == [NeighborReply(1)]
    walk = ForwardJoin(cell_of(MALLORY), CONFIG.active_random_walk_length)
    assert sent(effects, BOB) == sent(effects, CAROL) == [walk]


def test_the_answer_leaves_before_broadcast_hears_of_the_neighbour(alice: OverlayCore) -> None:
    effects = befriend(alice, BOB)
    assert effects.index(Send(BOB, NeighborReply(1))) < effects.index(NeighborUp(BOB))


# --- walks --------------------------------------------------------------------------------------------------


def test_a_newcomers_walk_ends_at_a_free_place(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    befriend(alice, CAROL)
    effects = alice.handle(Received(BOB, ForwardJoin(cell_of(MALLORY), 6)), 1.0)
    assert effects == [Learned((cell_of(MALLORY),), BOB)]
    assert asked(alice.handle(Member(MALLORY, ""), 1.1)) == [MALLORY]


def test_a_full_view_passes_the_newcomer_on_and_learns_of_it_on_the_way(alice: OverlayCore) -> None:
    friends = full(alice)
    effects = alice.handle(Received(friends[0], ForwardJoin(cell_of(MALLORY), 6)), 1.0)
    assert sent(effects) == [ForwardJoin(cell_of(MALLORY), 5)]
    assert sent(effects, friends[0]) == []
    effects = alice.handle(Received(friends[0], ForwardJoin(cell_of(MALLORY), 3)), 1.0)
    assert Learned((cell_of(MALLORY),), friends[0]) in effects
    assert sent(effects) == [ForwardJoin(cell_of(MALLORY), 2)]


def test_where_a_walk_ends_in_a_full_view_a_neighbour_gives_way_once_the_newcomer_accepts(alice: OverlayCore) -> None:
    friends = full(alice)
    alice.handle(Received(friends[0], ForwardJoin(cell_of(CAROL), 0)), 1.0)
    assert asked(alice.handle(Member(CAROL, ""), 1.1)) == [CAROL]
    alice.handle(PeerUp(CAROL, True), 1.2)
    assert list(alice.active) == friends
    effects = alice.handle(Received(CAROL, NeighborReply(1)), 1.3)
    (gone,) = set(friends) - set(alice.active)
    assert CAROL in alice.active
    assert gone in friends[:4]  # recommended, so it takes an inbound one's place though we dialled it
    assert NeighborDown(gone) in effects
    assert sent(effects, gone) == [DisconnectNeighbor()]
    assert Disconnect(gone) in effects


def test_a_longer_walk_than_ours_is_cut_to_ours(alice: OverlayCore) -> None:
    friends = full(alice)
    assert sent(alice.handle(Received(friends[0], ForwardJoin(b"x", 255)), 1.0)) == [ForwardJoin(b"x", 5)]
    assert sent(alice.handle(Received(friends[0], Shuffle(255, [b"x"])), 1.0)) == [Shuffle(5, [b"x"])]


def test_our_own_cell_and_a_neighbours_are_only_passed_on(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    befriend(alice, CAROL)
    for cell in (cell_of(ALICE), cell_of(BOB)):
        effects = alice.handle(Received(BOB, ForwardJoin(cell, 4)), 1.0)
        assert effects == [Send(CAROL, ForwardJoin(cell, 3))]
        assert alice.handle(Received(BOB, ForwardJoin(cell, 0)), 1.0) == []


def test_a_shuffle_offers_our_cell_first_and_its_reply_counts_once(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    alice.handle(Member(BOB, ""), 0.0)
    (shuffle,) = sent(alice.handle(Expired(("overlay", "shuffle")), 2.0), BOB)
    assert isinstance(shuffle, Shuffle)
    assert shuffle.cells[0] == cell_of(ALICE)
    reply = Received(BOB, ShuffleReply([b"x", b"y"]))
    assert alice.handle(reply, 2.1) == [Learned((b"x", b"y"), BOB)]
    assert alice.handle(reply, 2.2) == []


def test_a_shuffle_ends_here_when_there_is_nobody_else_and_is_answered_over_a_link(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    alice.handle(Member(CAROL, ""), 0.0)
    offered = [cell_of(BOB), b"x"]
    effects = alice.handle(Received(BOB, Shuffle(6, offered)), 1.0)
    assert sent(effects, BOB) == [ShuffleReply([cell_of(CAROL)])]
    assert Learned(tuple(offered), BOB) in effects
    effects = alice.handle(Received(BOB, Shuffle(6, [cell_of(MALLORY)])), 1.0)
    assert sent(effects) == []
    assert asked(effects) == []  # nobody can make us dial


def test_without_a_cell_of_our_own_nothing_is_shuffled() -> None:
    alice = OverlayCore(ALICE, CONFIG, Random(1), lambda _: None)
    befriend(alice, BOB)
    alice.handle(Member(BOB, ""), 0.0)
    assert sent(alice.handle(Expired(("overlay", "shuffle")), 2.0)) == []


# --- the handshake ------------------------------------------------------------------------------------------


def test_a_normal_request_is_granted_while_a_place_is_free_and_refused_then(alice: OverlayCore) -> None:
    alice.handle(PeerUp(BOB, False), 0.0)
    assert sent(alice.handle(Received(BOB, Neighbor(0)), 0.0)) == [NeighborReply(1)]
    for peer in crowd(7):
        befriend(alice, peer, outbound=True)
    alice.handle(PeerUp(CAROL, False), 0.0)
    effects = alice.handle(Received(CAROL, Neighbor(0)), 0.0)
    assert sent(effects) == [NeighborReply(0)]
    assert CAROL not in alice.neighbours
    assert asked(effects) == [CAROL]
    assert effects[-1] == Disconnect(CAROL)


def test_one_that_is_alone_is_never_refused(alice: OverlayCore) -> None:
    friends = full(alice)
    effects = befriend(alice, CAROL)
    assert sent(effects, CAROL) == [NeighborReply(1)]
    assert CAROL in alice.active
    assert len(set(friends) & set(alice.active)) == 7


def test_a_request_of_a_neighbour_is_granted_again_without_news(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    assert alice.handle(Received(BOB, Neighbor(0)), 1.0) == [Send(BOB, NeighborReply(1))]


def test_requests_that_cross_make_neighbours(alice: OverlayCore) -> None:
    alice.handle(Member(BOB, ""), 0.0)
    alice.handle(PeerUp(BOB, True), 0.0)
    effects = alice.handle(Received(BOB, Neighbor(0)), 0.1)
    assert sent(effects, BOB) == [NeighborReply(1)]
    assert asked(effects) == []  # the link is held already
    assert alice.neighbours == (BOB,)
    assert alice.handle(Received(BOB, NeighborReply(1)), 0.2) == []


def test_an_acceptance_that_nobody_waits_for_is_answered_with_a_disconnect(alice: OverlayCore) -> None:
    alice.handle(PeerUp(BOB, False), 0.0)
    assert alice.handle(Received(BOB, NeighborReply(1)), 0.0) == [Send(BOB, DisconnectNeighbor())]
    assert alice.handle(Received(BOB, NeighborReply(0)), 0.0) == []
    assert alice.neighbours == ()


def test_an_answer_that_does_not_come_is_given_up_and_withdrawn(alice: OverlayCore) -> None:
    alice.handle(Member(BOB, ""), 0.0)
    alice.handle(PeerUp(BOB, True), 0.5)
    assert alice.handle(Expired(("overlay", "request", BOB)), 2.4) == []
    effects = alice.handle(Expired(("overlay", "request", BOB)), 2.5)
    assert effects[:2] == [Send(BOB, DisconnectNeighbor()), Disconnect(BOB)]


def test_a_disconnect_removes_the_neighbour_and_keeps_it_in_mind(alice: OverlayCore) -> None:
    alice.handle(Member(BOB, ""), 0.0)
    befriend(alice, BOB)
    effects = alice.handle(Received(BOB, DisconnectNeighbor()), 1.0)
    assert effects[:2] == [NeighborDown(BOB), Disconnect(BOB)]
    assert alice.neighbours == ()
    assert alice.role(BOB) == "passive"
    assert alice.handle(Received(BOB, DisconnectNeighbor()), 1.0) == []


def test_a_lost_link_removes_the_neighbour_and_another_is_asked_at_once(alice: OverlayCore) -> None:
    for peer in (BOB, CAROL):
        alice.handle(Member(peer, ""), 0.0)
    befriend(alice, BOB)
    befriend(alice, CAROL)
    alice.handle(Member(MALLORY, ""), 1.0)
    alice.handle(PeerUp(MALLORY, True), 1.0)
    alice.handle(Received(MALLORY, NeighborReply(0)), 1.0)
    effects = alice.handle(PeerDown(BOB), 30.0)
    assert effects[0] == NeighborDown(BOB)
    assert asked(effects) == [MALLORY]
    assert alice.neighbours == (CAROL,)


def test_a_new_link_in_place_of_an_old_one_is_asked_whether_it_still_counts(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    assert alice.handle(PeerUp(BOB, False), 0.1) == []  # the answer to our own Connect
    assert alice.handle(PeerUp(BOB, False), 5.0) == [Send(BOB, Neighbor(0))]
    assert alice.handle(PeerUp(BOB, True), 5.1) == [Send(BOB, Neighbor(0))]
    assert alice.neighbours == (BOB,)
    alice.handle(Received(BOB, NeighborReply(0)), 5.2)
    assert alice.neighbours == ()


def test_one_that_shuffles_with_us_and_is_no_neighbour_is_told_so(alice: OverlayCore) -> None:
    alice.handle(PeerUp(BOB, False), 0.0)
    assert alice.handle(Received(BOB, Shuffle(3, [b"x"])), 0.0) == [Send(BOB, DisconnectNeighbor())]


def test_a_shuffle_does_not_take_back_our_own_request(alice: OverlayCore) -> None:
    alice.handle(PeerUp(BOB, False), 0.0)
    assert sent(alice.handle(Member(BOB, ""), 0.0)) == [Join()]
    assert alice.handle(Received(BOB, Shuffle(3, [b"x"])), 0.0) == []


def test_strangers_change_nothing(alice: OverlayCore) -> None:
    befriend(alice, BOB)
    alice.handle(PeerUp(MALLORY, False), 0.0)
    before = alice.statistics()
    for message in (ForwardJoin(b"x", 3), ShuffleReply([b"x"]), DisconnectNeighbor(), NeighborReply(0)):
        assert alice.handle(Received(MALLORY, message), 0.0) == []
    assert alice.handle(Received(CAROL, Join()), 0.0) == []  # not even linked
    assert alice.statistics() == before
