"""Digests: what is held, what of it had ended, and the indexes that must agree."""

from __future__ import annotations

import hashlib

from p2preg.reconcile.digests import SHARDS, Digests
from p2preg.wire.messages import Fingerprint, Range

MINUTE = 60_000
NOTHING = Fingerprint(0, bytes(16))


def element(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def test_an_empty_kind_has_the_fingerprint_of_nothing() -> None:
    assert Digests().fingerprint(3, 0, SHARDS, 0) == NOTHING
    assert Digests().elements(3, 0, SHARDS, 0) == []
    assert Digests().count(3) == 0


def test_a_fingerprint_counts_and_sums_the_first_sixteen_bytes() -> None:
    digests = Digests()
    digests.add(3, 5, b"alice", element("alice"), 10 * MINUTE)
    digests.add(3, 6, b"bob", element("bob"), 10 * MINUTE)
    total = int.from_bytes(element("alice")[:16]) + int.from_bytes(element("bob")[:16])
    assert digests.fingerprint(3, 0, SHARDS, 0) == Fingerprint(2, (total % 2**128).to_bytes(16))
    assert digests.fingerprint(3, 6, 7, 0) == Fingerprint(1, element("bob")[:16])
    assert digests.fingerprint(2, 0, SHARDS, 0) == NOTHING


def test_a_newer_version_takes_the_place_of_the_older_even_in_another_shard() -> None:
    digests = Digests()
    digests.add(3, 5, b"slot", element("one"), 10 * MINUTE)
    digests.add(3, 9, b"slot", element("two"), 20 * MINUTE)
    assert digests.count(3) == 1
    assert digests.fingerprint(3, 5, 6, 0) == NOTHING
    assert digests.elements(3, 0, SHARDS, 0) == [element("two")]
    assert digests.key_of(element("one")) is None
    assert digests.key_of(element("two")) == b"slot"
    digests.check_invariants()


def test_what_ended_by_the_moment_of_the_question_is_not_there() -> None:
    digests = Digests()
    digests.add(3, 5, b"short", element("short"), 10 * MINUTE + 7)
    digests.add(3, 5, b"long", element("long"), 10 * MINUTE + 8)
    assert digests.fingerprint(3, 0, SHARDS, 10 * MINUTE + 6).count == 2
    assert digests.fingerprint(3, 0, SHARDS, 10 * MINUTE + 7) == Fingerprint(1, element("long")[:16])
    assert digests.elements(3, 5, 6, 10 * MINUTE + 7) == [element("long")]
    assert digests.fingerprint(3, 0, SHARDS, 11 * MINUTE) == NOTHING
    assert digests.count(3) == 2  # held all the same, until it is removed
    assert digests.ended_max(3, 10 * MINUTE) == 2
    assert digests.ended_max(3, 9 * MINUTE) == 0


def test_removing_leaves_nothing_behind_and_may_be_done_twice() -> None:
    digests = Digests()
    digests.add(3, 5, b"alice", element("alice"), 10 * MINUTE)
    digests.remove(b"alice")
    digests.remove(b"alice")
    assert digests.fingerprint(3, 0, SHARDS, 0) == NOTHING
    assert digests.key_of(element("alice")) is None
    assert digests.held(3, [Range(0, SHARDS)]) == 0
    digests.check_invariants()


def test_elements_ascend_across_shards() -> None:
    digests = Digests()
    names = [f"node {number}" for number in range(50)]
    for number, name in enumerate(names):
        digests.add(3, number * 7, name.encode(), element(name), 10 * MINUTE)
    assert digests.elements(3, 0, SHARDS, 0) == sorted(map(element, names))
