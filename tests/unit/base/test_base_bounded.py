"""Containers with a cap: what goes when they are full, and when its time is up."""

from __future__ import annotations

import pytest

from p2preg.base.bounded import BoundedDict, ExpiringDict


def test_beyond_its_cap_the_entry_set_longest_ago_goes() -> None:
    bounded: BoundedDict[str, int] = BoundedDict(2)
    for key in ("a", "b", "a", "c"):
        bounded.set(key, 1)
    assert list(bounded) == ["a", "c"]
    assert bounded.evicted == 1


def test_an_entry_ends_with_its_life() -> None:
    expiring: ExpiringDict[str, int] = ExpiringDict(5, 10.0)
    expiring.set("a", 1, 0.0)
    expiring.set("b", 2, 5.0)
    assert (expiring.get("a", 9.9), expiring.get("a", 10.0), expiring.get("b", 10.0)) == (1, None, 2)
    expiring.expire(10.0)
    assert len(expiring) == 1
    assert (expiring.pop("b", 15.0), expiring.pop("b", 0.0)) == (None, None)


def test_an_entry_set_again_begins_a_new_life() -> None:
    expiring: ExpiringDict[str, int] = ExpiringDict(5, 10.0)
    expiring.set("a", 1, 0.0)
    expiring.set("b", 2, 1.0)
    expiring.set("a", 3, 8.0)
    expiring.expire(12.0)
    assert (expiring.get("a", 12.0), len(expiring)) == (3, 1)


def test_what_lives_is_bounded_as_well() -> None:
    expiring: ExpiringDict[int, int] = ExpiringDict(3, 10.0)
    for key in range(5):
        expiring.set(key, key, 0.0)
    assert [expiring.get(key, 0.0) for key in range(5)] == [None, None, 2, 3, 4]


@pytest.mark.parametrize("make", [BoundedDict, lambda cap: ExpiringDict(cap, 1.0)])
def test_a_cap_of_nothing_is_a_mistake(make: type[BoundedDict[str, int]]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make(0)
