"""Incremental digests of the cells that are held: per kind, 4096 shards, each a count and a sum of elements.

An element is the SHA-256 of a cell's key, seq and hash, so one newer version is two differences. Sums are additive, as
in range-based set reconciliation (Meyer, arXiv 2212.13567): adding and removing cost the same whatever is held. They
are no commitment: a writer who grinds elements and hands different ones to two registries can make these two look
equal; either finds the difference with any third. Nothing here reads a clock: what has ended is told by the `as_of_ms`
of each question, so that two registries with different clocks can agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2preg.wire.messages import Fingerprint, Range

SHARDS = 4096
SUM_BYTES = 16
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    shard: int
    element: bytes
    end_ms: int


class Digests:
    """What is held, by kind and shard. Ended cells stay until their owner removes them."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._keys: dict[bytes, bytes] = {}
        self._kinds: dict[int, _KindDigest] = {}

    def add(self, kind: int, shard: int, key: bytes, element: bytes, end_ms: int) -> None:
        """Hold `element` (32 bytes) for `key`, in place of the element held for it before."""
        self.remove(key)
        entry = _Entry(kind, shard, element, end_ms)
        self._entries[key] = entry
        self._keys[element] = key
        if kind not in self._kinds:
            self._kinds[kind] = _KindDigest()
        self._kinds[kind].add(entry)

    def remove(self, key: bytes) -> None:
        """Forget `key`; nothing happens when it is not held."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            del self._keys[entry.element]
            self._kinds[entry.kind].remove(entry)

    def key_of(self, element: bytes) -> bytes | None:
        """The key whose current version `element` is."""
        return self._keys.get(element)

    def count(self, kind: int) -> int:
        """How many cells of `kind` are held, ended ones included."""
        return sum(self._kinds[kind].counts) if kind in self._kinds else 0

    def ended_max(self, kind: int, as_of_ms: int) -> int:
        """An upper bound, to the minute, of how many cells of `kind` had ended: the work behind a fingerprint."""
        return self._kinds[kind].ended_max(as_of_ms) if kind in self._kinds else 0

    def held(self, kind: int, ranges: Sequence[Range]) -> int:
        """How many cells of `kind` are held in `ranges`, ended ones included: the work behind a list of elements."""
        if kind not in self._kinds:
            return 0
        return sum(sum(self._kinds[kind].counts[part.low : part.high]) for part in ranges)

    def fingerprint(self, kind: int, low: int, high: int, as_of_ms: int) -> Fingerprint:
        """The fingerprint of what in shards low ≤ shard < high had not ended at `as_of_ms`."""
        return self.fingerprints(kind, [Range(low, high)], as_of_ms)[0]

    def fingerprints(self, kind: int, ranges: Sequence[Range], as_of_ms: int) -> list[Fingerprint]:
        """The fingerprint of each range. The work grows with the shards covered, and with what had ended."""
        if kind not in self._kinds:
            return [Fingerprint(0, bytes(SUM_BYTES))] * len(ranges)
        counts, sums = self._kinds[kind].as_of(as_of_ms)
        return [
            Fingerprint(sum(counts[part.low : part.high]), _digest(sum(sums[part.low : part.high]))) for part in ranges
        ]

    def elements(self, kind: int, low: int, high: int, as_of_ms: int) -> list[bytes]:
        """The elements in shards low ≤ shard < high that had not ended at `as_of_ms`, ascending."""
        if kind not in self._kinds:
            return []
        shards = self._kinds[kind].shards[low:high]
        return sorted(element for shard in shards for element, end_ms in shard.items() if end_ms > as_of_ms)

    def check_invariants(self) -> None:
        """Assert that the indexes hold the same cells."""
        assert len(self._keys) == len(self._entries) == sum(self.count(kind) for kind in self._kinds)
        for digest in self._kinds.values():
            assert sum(digest.counts) == sum(len(minute) for minute in digest.minutes.values())

    def check_sums(self, counts: Mapping[tuple[int, int], int], sums: Mapping[tuple[int, int], int]) -> None:
        """Assert that by (kind, shard) these are the numbers of elements, and the sums of their first 16 bytes."""
        assert len(self._entries) == sum(counts.values()), "the digests are of other cells"
        for (kind, shard), count in counts.items():
            digest = self._kinds[kind]
            assert (digest.counts[shard], digest.sums[shard]) == (count, sums[kind, shard]), "a digest is off"


class _KindDigest:
    """The shards of one kind: all that is held, ended or not, with the ends by minute to subtract what had ended."""

    def __init__(self) -> None:
        self.counts = [0] * SHARDS
        self.sums = [0] * SHARDS  # not reduced modulo 2^128 until it is asked for
        self.shards: list[dict[bytes, int]] = [{} for _ in range(SHARDS)]  # element -> end_ms
        self.minutes: dict[int, dict[bytes, _Entry]] = {}  # end_ms // MINUTE_MS -> element -> entry

    def add(self, entry: _Entry) -> None:
        self.counts[entry.shard] += 1
        self.sums[entry.shard] += _summand(entry.element)
        self.shards[entry.shard][entry.element] = entry.end_ms
        self.minutes.setdefault(entry.end_ms // MINUTE_MS, {})[entry.element] = entry

    def remove(self, entry: _Entry) -> None:
        self.counts[entry.shard] -= 1
        self.sums[entry.shard] -= _summand(entry.element)
        del self.shards[entry.shard][entry.element]
        minute = self.minutes[entry.end_ms // MINUTE_MS]
        del minute[entry.element]
        if not minute:
            del self.minutes[entry.end_ms // MINUTE_MS]

    def ended_max(self, as_of_ms: int) -> int:
        return sum(len(entries) for minute, entries in self.minutes.items() if minute <= as_of_ms // MINUTE_MS)

    def as_of(self, as_of_ms: int) -> tuple[list[int], list[int]]:
        """Counts and sums of each shard without what had ended."""
        counts, sums = self.counts.copy(), self.sums.copy()
        for minute, entries in self.minutes.items():
            if minute > as_of_ms // MINUTE_MS:
                continue
            for entry in entries.values():
                if entry.end_ms <= as_of_ms:
                    counts[entry.shard] -= 1
                    sums[entry.shard] -= _summand(entry.element)
        return counts, sums


def _summand(element: bytes) -> int:
    return int.from_bytes(element[:SUM_BYTES])


def _digest(total: int) -> bytes:
    return (total % (1 << 8 * SUM_BYTES)).to_bytes(SUM_BYTES)
