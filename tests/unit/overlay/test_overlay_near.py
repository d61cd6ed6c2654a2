"""Near places: for whoever is measured as near, and for nobody else."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from overlay_network import Network, degrees, everybody
from overlay_people import ALICE, BOB, CAROL, CONFIG, MALLORY, asked, cell_of, full, sent

from p2preg.base.effects import Disconnect, Send
from p2preg.base.events import Expired, NeighborDown, NeighborUp, PeerUp, Received
from p2preg.overlay.core import OverlayCore
from p2preg.overlay.events import Member
from p2preg.overlay.requests import PRIORITY_NEAR, PRIORITY_NORMAL, PRIORITY_RING, Request, merged
from p2preg.wire.messages import DisconnectNeighbor, Neighbor, NeighborReply, Shuffle, ShuffleReply

SHUFFLE = Expired(("overlay", "shuffle"))
NEAR = Neighbor(PRIORITY_NEAR)


@pytest.fixture
def alice() -> OverlayCore:
    return OverlayCore(ALICE, CONFIG, Random(1), cell_of, "eu")


def surrounded(core: OverlayCore) -> list[bytes]:
    """Alice's active view is full of members 100 ms away, the two sides of her ring among them."""
    friends = full(core, round_trip=0.100)
    for friend in friends:
        core.handle(Member(friend, ""), 0.0)
    return friends


def nearby(count: int) -> list[bytes]:
    return [b"near" + bytes([number]) * 28 for number in range(1, count + 1)]


def ask_near(core: OverlayCore, peer: bytes, round_trip: float | None, now: float = 1.0) -> list[object]:
    """`peer` links to us and asks for a near place; what we answer to it."""
    if core.role(peer) == "known":
        core.handle(Member(peer, ""), now)
    core.handle(PeerUp(peer, False, round_trip), now)
    effects = core.handle(Received(peer, NEAR), now)
    core.check_invariants()
    return sent(effects, peer)


# --- who may have one ---------------------------------------------------------------------------------------


def test_one_within_half_the_usual_round_trip_has_a_near_place_and_an_inbound_one_gives_way(alice: OverlayCore) -> None:
    friends = surrounded(alice)
    assert ask_near(alice, BOB, 0.050) == [NeighborReply(1)]
    assert BOB in alice.active
    assert set(friends[4:]) <= set(alice.active)
    assert alice.statistics().near == 1
    assert alice.statistics().inbound == 3


@pytest.mark.parametrize("round_trip", [0.051, None])
def test_one_farther_away_or_never_measured_has_none(alice: OverlayCore, round_trip: float | None) -> None:
    friends = surrounded(alice)
    assert ask_near(alice, BOB, round_trip) == [NeighborReply(0)]
    assert list(alice.active) == friends


def test_without_a_measurement_of_the_others_nobody_is_near(alice: OverlayCore) -> None:
    full(alice)
    assert ask_near(alice, BOB, 0.001) == [NeighborReply(0)]


def test_a_nearer_one_takes_the_place_of_the_farthest_only_if_it_is_clearly_nearer(alice: OverlayCore) -> None:
    surrounded(alice)
    near = nearby(CONFIG.near_max)
    for peer, round_trip in zip(near, (0.020, 0.040, 0.030), strict=True):
        assert ask_near(alice, peer, round_trip) == [NeighborReply(1)]
    others = [peer for peer in alice.active if peer not in near]
    assert ask_near(alice, BOB, 0.029) == [NeighborReply(0)]  # 0.7 of 40 ms is 28 ms
    assert ask_near(alice, CAROL, 0.027) == [NeighborReply(1)]
    assert near[1] not in alice.active
    assert [peer for peer in alice.active if peer not in (*near, CAROL)] == others


def test_however_many_are_near_the_other_places_are_not_theirs(alice: OverlayCore) -> None:
    friends = surrounded(alice)
    for number, peer in enumerate(nearby(100)):
        ask_near(alice, peer, 0.050 * 0.8**number)
    assert alice.statistics().near == CONFIG.near_max
    assert set(friends[4:]) <= set(alice.active)
    assert len(set(friends) & set(alice.active)) == CONFIG.active_max - CONFIG.near_max


def test_a_near_one_is_not_displaced_by_peers_that_are_alone(alice: OverlayCore) -> None:
    surrounded(alice)
    ask_near(alice, BOB, 0.010)
    for number in range(100):
        stranger = b"m" + bytes([number]) * 31
        alice.handle(PeerUp(stranger, False, 0.100), 2.0)
        alice.handle(Received(stranger, Neighbor(1)), 2.0)
    assert BOB in alice.active
    assert alice.statistics().near == 1
    assert alice.statistics().inbound == 4  # half of the seven others, rounded up


def test_a_prefix_that_is_among_the_neighbours_has_no_near_place(alice: OverlayCore) -> None:
    friends = surrounded(alice)
    alice.handle(Member(friends[0], "10.0.0.0/24"), 0.5)
    alice.handle(Member(BOB, "10.0.0.0/24"), 0.5)
    alice.handle(Member(CAROL, "10.0.1.0/24"), 0.5)
    alice.handle(Member(MALLORY, "10.0.1.0/24"), 0.5)
    assert ask_near(alice, BOB, 0.010) == [NeighborReply(0)]
    assert ask_near(alice, CAROL, 0.010) == [NeighborReply(1)]
    assert ask_near(alice, MALLORY, 0.001) == [NeighborReply(0)]


def test_a_full_set_of_near_places_lets_one_of_a_prefix_replace_another(alice: OverlayCore) -> None:
    surrounded(alice)
    near = nearby(CONFIG.near_max)
    for number, peer in enumerate(near):
        alice.handle(Member(peer, f"10.0.{number}.0/24"), 0.5)
        ask_near(alice, peer, 0.040 - number * 0.001)
    alice.handle(Member(BOB, "10.0.0.0/24"), 0.5)
    alice.handle(Member(CAROL, "10.0.1.0/24"), 0.5)
    assert ask_near(alice, CAROL, 0.001) == [NeighborReply(0)]
    assert ask_near(alice, BOB, 0.001) == [NeighborReply(1)]
    assert near[0] not in alice.active


# --- how they are found -------------------------------------------------------------------------------------


def shuffled(core: OverlayCore, now: float) -> list[bytes]:
    """Whom a shuffle's timer makes the core dial. Ring and free places want nobody."""
    return asked(core.handle(SHUFFLE, now))


def test_members_of_our_region_are_measured_first_and_asked_when_near(alice: OverlayCore) -> None:
    friends = surrounded(alice)
    far, dave = b"p" + bytes([4]) * 30 + b"f", b"p" + bytes([4]) * 30 + b"d"  # amid the crowd: no sides of Alice's
    for number in range(40):
        alice.handle(Member(b"p" + bytes([4]) * 29 + bytes([number]) + b"x", "", "us"), 0.0)
    alice.handle(Member(far, "", "eu"), 0.0)
    alice.handle(Member(dave, "", "eu"), 0.0)
    dialled = shuffled(alice, 3.0)
    assert len(dialled) == CONFIG.near_probes
    assert {far, dave} <= set(dialled)
    effects = alice.handle(PeerUp(far, True, 0.090), 3.2)
    assert effects == [Disconnect(far)]  # its operator's word counts for nothing
    assert sent(alice.handle(PeerUp(dave, True, 0.010), 3.3), dave) == [NEAR]
    effects = alice.handle(Received(dave, NeighborReply(1)), 3.4)
    assert effects[-1] == NeighborUp(dave)
    assert len([effect for effect in effects if isinstance(effect, NeighborDown)]) == 1
    assert set(friends[4:]) <= set(alice.active)
    alice.check_invariants()


def test_who_was_measured_as_far_is_not_dialled_again(alice: OverlayCore) -> None:
    surrounded(alice)
    dave = b"p" + bytes([4]) * 30 + b"d"
    alice.handle(Member(dave, "", "eu"), 0.0)
    assert shuffled(alice, 3.0) == [dave]
    alice.handle(PeerUp(dave, True, 0.090), 3.2)
    assert shuffled(alice, 10_000.0) == []


def test_a_refusal_is_taken_and_says_nothing_about_free_places(alice: OverlayCore) -> None:
    surrounded(alice)
    dave = b"p" + bytes([4]) * 30 + b"d"
    alice.handle(Member(dave, "", "eu"), 0.0)
    shuffled(alice, 3.0)
    alice.handle(PeerUp(dave, True, 0.010), 3.2)
    assert Disconnect(dave) in alice.handle(Received(dave, NeighborReply(0)), 3.3)
    assert dave not in alice.active
    assert shuffled(alice, 5.0) == []  # its pause has not passed


def test_an_acceptance_that_came_too_late_to_be_near_enough_is_taken_back(alice: OverlayCore) -> None:
    surrounded(alice)
    dave = b"p" + bytes([4]) * 30 + b"d"
    alice.handle(Member(dave, "", "eu"), 0.0)
    shuffled(alice, 3.0)
    alice.handle(PeerUp(dave, True, 0.040), 3.2)
    for peer in nearby(CONFIG.near_max):
        ask_near(alice, peer, 0.010, 3.3)
    effects = alice.handle(Received(dave, NeighborReply(1)), 3.4)
    assert effects == [Send(dave, DisconnectNeighbor()), Disconnect(dave)]


def test_the_search_is_ever_rarer_and_ends_once_the_near_places_are_taken(alice: OverlayCore) -> None:
    surrounded(alice)
    for number in range(200):
        alice.handle(Member(b"p" + bytes([4]) * 29 + bytes([number]) + b"x", "", ""), 0.0)
    now, rounds = 3.0, []
    while now < 4_000:
        dialled = shuffled(alice, now)
        if dialled:
            rounds.append(now)
        for peer in dialled:
            alice.handle(PeerUp(peer, True, 0.090), now)
        now += 20.0
    gaps = [later - earlier for earlier, later in pairwise(rounds)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == CONFIG.near_pause_max
    for peer in nearby(CONFIG.near_max):
        ask_near(alice, peer, 0.010, now)
    assert shuffled(alice, now + 10_000) == []


def test_a_new_link_to_a_near_neighbour_asks_for_the_same_place(alice: OverlayCore) -> None:
    surrounded(alice)
    ask_near(alice, BOB, 0.010)
    assert sent(alice.handle(PeerUp(BOB, True, 0.012), 5.0), BOB) == [NEAR]


def test_crossing_requests_are_one_for_both_ends() -> None:
    assert merged(Request(PRIORITY_NEAR), PRIORITY_NORMAL).priority == PRIORITY_NEAR
    assert merged(Request(PRIORITY_NORMAL), PRIORITY_NEAR).priority == PRIORITY_NEAR
    assert merged(Request(PRIORITY_NEAR), PRIORITY_RING).priority == PRIORITY_RING
    for one, other in ((PRIORITY_NEAR, 1), (1, PRIORITY_NEAR)):
        request = merged(Request(one), other)
        assert (request.priority, request.forced) == (PRIORITY_NORMAL, True)


# --- networks -----------------------------------------------------------------------------------------------


def grown(seed: int, size: int, regions: int) -> Network:
    network = Network(seed, jitter=0.1, regions=regions)
    ids = [network.add(number) for number in range(size)]
    for node in ids:
        network.introduce(node, *ids)
    return network


def test_a_network_of_regions_finds_its_near_neighbours_and_stays_one() -> None:
    network = grown(1, 60, regions=6)
    network.run(120.0)
    assert not network.asymmetric()
    assert network.is_connected()
    assert network.ring_holds()
    assert degrees(network)[0] >= 5
    near = [core.statistics().near for core in everybody(network)]
    assert sum(near) >= 60
    for own, node in network.nodes.items():
        for peer in node.core.near:
            assert network.region_of(peer) == network.region_of(own)
            assert own in network.nodes[peer].core.near


def test_it_comes_to_rest() -> None:
    network = grown(1, 60, regions=6)
    network.run(600.0)
    network.trace.clear()
    network.run(900.0)
    changes = [effect for _, _, effect in network.trace if isinstance(effect, NeighborUp | NeighborDown)]
    assert len(changes) <= 24  # at both ends, of 600 neighbours, in five minutes
    others = [
        effect
        for _, _, effect in network.trace
        if isinstance(effect, Send) and not isinstance(effect.message, Shuffle | ShuffleReply)
    ]
    assert len(others) / 60 / 300 < 0.05
