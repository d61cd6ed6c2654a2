from __future__ import annotations

from p2preg.base.limits import RING_MAX
from p2preg.overlay.ring import RING_GUESTS_MAX, Ring, RingView


def a(number: int) -> bytes:
    return bytes([number]) * 32


def ring(own: int, *others: int) -> Ring:
    made = Ring(a(own))
    for other in others:
        made.add(a(other))
    return made


def test_the_sides_are_the_nearest_ids_below_and_above() -> None:
    assert ring(5, 1, 4, 7, 9).sides(lambda _: True) == (a(4), a(7))


def test_the_ring_closes_at_its_ends() -> None:
    assert ring(9, 1, 4, 7).sides(lambda _: True) == (a(7), a(1))
    assert ring(1, 4, 7, 9).sides(lambda _: True) == (a(9), a(4))


def test_one_other_is_both_sides_and_none_is_no_side() -> None:
    assert ring(5, 9).sides(lambda _: True) == (a(9),)
    assert ring(5).sides(lambda _: True) == ()


def test_unusable_ones_are_passed_over() -> None:
    assert ring(5, 1, 4, 7, 9).sides(lambda peer: peer not in (a(4), a(7))) == (a(1), a(9))
    assert ring(5, 1, 4).sides(lambda _: False) == ()


def test_a_member_stands_once_and_goes_at_once_but_we_stay() -> None:
    made = ring(5, 4, 4)
    made.remove(a(4))
    made.remove(a(5))
    made.remove(a(8))
    assert made.sides(lambda _: True) == ()
    made.add(a(6))
    assert made.sides(lambda _: True) == (a(6),)


def test_guests_are_few_and_our_own_sides_always_find_a_place() -> None:
    view, sides = RingView(), (a(4), a(6))
    for number in range(10, 10 + RING_GUESTS_MAX):
        assert view.has_room(a(number), sides)
        view.add(a(number), asked=False)
    assert not view.has_room(a(99), sides)
    assert view.has_room(a(4), sides)


def test_the_oldest_guest_goes_when_a_side_finds_the_ring_full() -> None:
    view = RingView()
    for number in range(10, 10 + RING_MAX):
        view.add(a(number), asked=True)
    assert view.surplus((a(10), a(6))) == a(11)


def test_only_former_sides_that_we_asked_for_are_outlived() -> None:
    view = RingView()
    view.add(a(4), asked=True)
    view.add(a(10), asked=True)
    view.add(a(11), asked=False)
    assert view.outlived((a(4), a(6))) == [a(10)]
