"""Text: one roaring bitmap per value of a field, and one of the rows that have the field at all."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping

from pyroaring import BitMap


class Postings:
    """Everything here belongs to a row that is held, so memory follows the records: an empty bitmap is dropped at
    once, and so is a field without rows. Bitmaps that are handed out are not to be changed."""

    def __init__(self) -> None:
        self._fields: dict[str, dict[str, BitMap]] = {}
        self._present: dict[str, BitMap] = {}
        self._ordered: dict[str, list[str]] = {}

    def add(self, field: str, values: tuple[str, ...], row: int) -> None:
        """`row`, which does not have the field, now has it with these values."""
        self._present.setdefault(field, BitMap()).add(row)
        bitmaps = self._fields.setdefault(field, {})
        for value in values:
            bitmap = bitmaps.get(value)
            if bitmap is None:
                bitmap = bitmaps[value] = BitMap()
                if field in self._ordered:
                    insort(self._ordered[field], value)
            bitmap.add(row)

    def discard(self, field: str, values: tuple[str, ...], row: int) -> None:
        """`row`, which has the field with just these values, no longer has it."""
        bitmaps = self._fields[field]
        for value in values:
            bitmaps[value].remove(row)
            if not bitmaps[value]:
                self._drop(field, value)
        self._present[field].remove(row)
        if not self._present[field]:
            del self._present[field], self._fields[field]
            self._ordered.pop(field, None)

    def _drop(self, field: str, value: str) -> None:
        del self._fields[field][value]
        ordered = self._ordered.get(field)
        if ordered is not None:
            del ordered[bisect_left(ordered, value)]

    def rows(self, field: str, value: str) -> BitMap:
        return self._fields.get(field, {}).get(value, _NONE)

    def present(self, field: str) -> BitMap:
        return self._present.get(field, _NONE)

    def values(self, field: str) -> Mapping[str, BitMap]:
        """The bitmap of each value of a field, in no particular order."""
        return self._fields.get(field, {})

    def ordered(self, field: str) -> list[str]:
        """The values of a field in order; not to be changed. Made when first asked for and kept up to date after."""
        if field not in self._fields:
            return []
        if field not in self._ordered:
            self._ordered[field] = sorted(self._fields[field])
        return self._ordered[field]

    def fields(self) -> list[str]:
        return list(self._fields)

    def check_invariants(self) -> None:
        assert self._fields.keys() == self._present.keys() >= self._ordered.keys()
        for field, bitmaps in self._fields.items():
            assert self._present[field]
            assert all(bitmap and bitmap <= self._present[field] for bitmap in bitmaps.values())
        for field, ordered in self._ordered.items():
            assert ordered == sorted(self._fields[field])


_NONE = BitMap()
