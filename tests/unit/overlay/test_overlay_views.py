from __future__ import annotations

from random import Random

import pytest

from p2preg.base.errors import ConfigError
from p2preg.base.limits import OVERLAY_MEMBERS_MAX
from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.members import PREFIX_UNKNOWN, Members
from p2preg.overlay.views import ActiveView, PassiveView


def peers(count: int) -> list[bytes]:
    return [bytes([number]) * 32 for number in range(1, count + 1)]


def prefixes(*crowds: int) -> dict[bytes, str]:
    """Peers in prefixes of the given sizes, in order."""
    names = [f"10.0.{at}.0/24" for at, crowd in enumerate(crowds) for _ in range(crowd)]
    return dict(zip(peers(len(names)), names, strict=True))


def active_view(of: dict[bytes, str], newcomer: bytes, inbound: int = 0) -> ActiveView:
    view = ActiveView(8, 4, 3, of.__getitem__)
    others = [peer for peer in of if peer != newcomer]
    for at, peer in enumerate(others):
        view.add(peer, chosen=at >= inbound)
    return view


def victims(view: ActiveView, newcomer: bytes, chosen: bool, spared: tuple[bytes, ...] = ()) -> set[bytes]:
    return {view.victim(newcomer, chosen, spared, Random(seed)) for seed in range(40)}


def test_the_most_crowded_prefix_gives_way() -> None:
    of = prefixes(1, 3, 1, 1, 1, 1, 1)
    newcomer = list(of)[-1]
    assert victims(active_view(of, newcomer), newcomer, chosen=True) == set(list(of)[1:4])


def test_a_newcomer_of_the_most_crowded_prefix_replaces_its_own() -> None:
    of = prefixes(2, 1, 1, 1, 1, 1, 2)
    newcomer = next(iter(of))
    of[newcomer] = of[list(of)[-1]]
    assert victims(active_view(of, newcomer), newcomer, chosen=True) == set(list(of)[-2:])


def test_without_a_crowd_anyone_may_give_way() -> None:
    of = dict.fromkeys(peers(9), "")
    newcomer = list(of)[-1]
    assert len(victims(active_view(of, newcomer), newcomer, chosen=True)) > 4


def test_inbound_ones_replace_inbound_ones_once_their_share_is_full() -> None:
    of = prefixes(*[1] * 9)
    newcomer = list(of)[-1]
    assert victims(active_view(of, newcomer, inbound=4), newcomer, chosen=False) <= set(list(of)[:4])


def test_a_chosen_one_replaces_an_inbound_one_only_beyond_the_share() -> None:
    of = prefixes(*[1] * 9)
    newcomer = list(of)[-1]
    assert victims(active_view(of, newcomer, inbound=5), newcomer, chosen=True) <= set(list(of)[:5])
    assert not victims(active_view(of, newcomer, inbound=4), newcomer, chosen=True) <= set(list(of)[:4])


def test_a_spared_one_gives_way_only_when_nobody_else_is_left() -> None:
    of = prefixes(2, 1)
    first, second, newcomer = of
    view = active_view(of, newcomer)
    assert victims(view, newcomer, True, spared=(first,)) == {second}
    assert victims(view, newcomer, True, spared=(first, second)) == {first, second}


def test_a_full_passive_view_lets_the_most_crowded_prefix_go_and_stays_full() -> None:
    of = prefixes(3, 1, 1)
    view = PassiveView(4, of.__getitem__)
    for peer in of:
        view.add(peer, Random(1))
    assert len(view) == 4
    assert {of[peer] for peer in view} == set(of.values())


def test_members_beyond_the_cap_are_ignored() -> None:
    members = Members(OverlayConfig(), Random(1))
    ids = [number.to_bytes(32, "big") for number in range(OVERLAY_MEMBERS_MAX + 1)]
    assert [members.add(peer, "") for peer in ids] == [True] * OVERLAY_MEMBERS_MAX + [False]
    assert len(members) == OVERLAY_MEMBERS_MAX
    assert ids[-1] not in members
    assert not members.add(ids[0], "10.0.0.0/24")
    assert members.prefix_of(ids[0]) == "10.0.0.0/24"


def test_strangers_share_one_prefix_so_that_hiding_gains_nothing() -> None:
    members = Members(OverlayConfig(), Random(1))
    assert members.prefix_of(b"m" * 32) == members.prefix_of(b"n" * 32) == PREFIX_UNKNOWN


def test_pauses_double_up_to_a_limit_and_end_with_success() -> None:
    config = OverlayConfig(jitter=0.0)
    members = Members(config, Random(1))
    (bob,) = peers(1)
    members.add(bob, "")
    pauses = []
    for _ in range(8):
        members.failed(bob, now=100.0)
        pauses.append(members.ready_at(bob) - 100.0)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert members.is_unreachable(bob)
    members.granted(bob, now=200.0)
    assert not members.is_unreachable(bob)
    members.lost(bob, now=300.0)
    assert members.ready_at(bob) - 300.0 == 1.0


def test_a_neighbour_that_leaves_at_once_has_not_made_good_its_setbacks() -> None:
    members = Members(OverlayConfig(jitter=0.0), Random(1))
    (bob,) = peers(1)
    members.add(bob, "")
    pauses = []
    for now in (100.0, 200.0, 300.0):
        members.granted(bob, now)
        members.declined(bob, now + 5.0)
        pauses.append(members.ready_at(bob) - now - 5.0)
    assert pauses == [10.0, 20.0, 40.0]


def test_one_whose_active_view_is_full_may_still_be_a_ring_neighbour() -> None:
    members = Members(OverlayConfig(), Random(1))
    bob, carol = peers(2)
    for peer in (bob, carol):
        members.add(peer, "")
    members.declined(bob, now=0.0)
    members.declined(carol, now=0.0, for_ring=True)
    assert not members.is_ready(bob, 1.0)
    assert members.is_ready_for_ring(bob, 1.0)
    assert not members.is_ready_for_ring(carol, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"inbound_max": 9},
        {"passive_max": 7},
        {"passive_random_walk_length": 7},
        {"shuffle_passive": 9},
        {"repair_pause_min": 0.0},
        {"jitter": 1.0},
    ],
)
def test_numbers_that_do_not_fit_each_other_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        OverlayConfig(**wrong).validate()
