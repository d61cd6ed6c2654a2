"""Digests that were changed step by step equal digests made anew from what is left."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.reconcile.digests import SHARDS, Digests
from p2preg.wire.messages import Range

KEYS = [bytes([number]) for number in range(12)]
add = st.tuples(st.sampled_from(KEYS), st.integers(1, 3), st.sampled_from([0, 1, 2047, 4095]), st.integers(0, 300_000))
remove = st.tuples(st.sampled_from(KEYS))


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(add | remove, max_size=40), as_of_ms=st.integers(0, 300_000))
def test_incremental_equals_recomputed(steps: list[tuple], as_of_ms: int) -> None:
    digests, model = Digests(), {}
    for number, step in enumerate(steps):
        if len(step) == 1:
            model.pop(step[0], None)
            digests.remove(step[0])
        else:
            key, kind, shard, end_ms = step
            model[key] = (kind, shard, key, hashlib.sha256(bytes([number])).digest(), end_ms)
            digests.add(*model[key])
    digests.check_invariants()
    anew = Digests()
    for entry in model.values():
        if entry[4] > as_of_ms:
            anew.add(*entry)
    ranges = [Range(0, 1), Range(1, 2048), Range(2048, SHARDS)]
    for kind in (1, 2, 3):
        assert digests.count(kind) == sum(entry[0] == kind for entry in model.values())
        assert digests.fingerprints(kind, ranges, as_of_ms) == anew.fingerprints(kind, ranges, 0)
        assert digests.elements(kind, 0, SHARDS, as_of_ms) == anew.elements(kind, 0, SHARDS, 0)
    for entry in model.values():
        assert digests.key_of(entry[3]) == entry[2]
