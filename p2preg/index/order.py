"""Pages in sorted order: the next few rows after a key, found group by group and without sorting them all.

A page key names the last node of a page by its sort values and id, so what comes and goes between two pages shifts
nothing: a node that stays as it was is seen exactly once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from p2preg.base.errors import Refused
from p2preg.base.limits import SORT_FIELDS_MAX
from p2preg.index.bitmaps import Postings
from p2preg.index.columns import Columns, Rows32, to_bitmap, to_rows
from p2preg.index.rows import Prefixes, Rows, prefix
from p2preg.index.schema import Kind, field_type

Sort = Sequence[tuple[str, str]]
SortValue = str | int | None
Texts = Mapping[int, Mapping[str, str | tuple[str, ...]]]  # what each row has in fields of text, lists included
_Groups = Iterator[tuple[SortValue, BitMap]]


@dataclass(frozen=True, slots=True)
class PageKey:
    """The last node of a page: its value for each sort field up to `node_id`, None where missing, and its id."""

    values: tuple[SortValue, ...]
    node_id: bytes


@dataclass(frozen=True, slots=True)
class _By:
    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked of one level: at most `count` rows, those after `after` if it is given."""

    count: int
    after: PageKey | None


class Ordering:
    """One sort over the parts of an index. Raises `Refused` -32602 `params.invalid` for a field that has no order."""

    def __init__(self, rows: Rows, postings: Postings, columns: Columns, texts: Texts, sort: Sort) -> None:
        self._rows, self._postings, self._columns, self._texts = rows, postings, columns, texts
        self._by, self._ids_descending = _checked(sort)

    def page(self, candidates: BitMap, after: PageKey | None, limit: int) -> tuple[list[bytes], PageKey | None]:
        """At most `limit` node ids after `after`, and the key for the next page; None when this is the last."""
        found = self._level(candidates, 0, _Wanted(limit + 1, after))
        if len(found) <= limit:
            return [node_id for _, node_id in found], None
        values, last = found[limit - 1]
        return [node_id for _, node_id in found[:limit]], PageKey(values, last)

    def _level(self, rows: BitMap, level: int, wanted: _Wanted) -> list[tuple[tuple[SortValue, ...], bytes]]:
        """The first rows by the sort fields from `level` on, with their values for those fields."""
        if level == len(self._by):
            return [((), node_id) for node_id in self._by_id(rows, wanted)]
        found: list[tuple[tuple[SortValue, ...], bytes]] = []
        key = wanted.after
        for value, group in self._groups(rows, level, wanted):
            after = key if key is not None and value == key.values[level] else None
            below = self._level(group, level + 1, _Wanted(wanted.count - len(found), after))
            found += [((value, *values), node_id) for values, node_id in below]
            if len(found) >= wanted.count:
                break
        return found

    def _groups(self, rows: BitMap, level: int, wanted: _Wanted) -> _Groups:
        """The rows by their value at this level, in order, from the key's value on; without one last."""
        by = self._by[level]
        known = field_type(by.field)
        numeric = known is not None and known.kind is Kind.NUMBER
        start = wanted.after.values[level] if wanted.after is not None else None
        if wanted.after is None or start is not None:
            if numeric:
                yield from self._number_groups(rows, by, start, wanted.count)
            else:
                yield from self._text_groups(rows, by, start)
        present = self._columns.present(by.field) if numeric else self._postings.present(by.field)
        missing = rows - present
        if missing:
            yield None, missing

    def _text_groups(self, rows: BitMap, by: _By, start: SortValue) -> _Groups:
        values = self._postings.ordered(by.field)
        bitmaps = self._postings.values(by.field)
        if len(rows) < len(values):
            # Most values, say of a label that names each node, are none of these rows'.
            bitmaps = self._grouped(rows, by.field)
            values = sorted(bitmaps)
        if isinstance(start, str):
            first = bisect_right(values, start) - 1 if by.descending else bisect_left(values, start)
        else:
            first = len(values) - 1 if by.descending else 0
        for at in range(first, -1, -1) if by.descending else range(first, len(values)):
            group = rows & bitmaps[values[at]]
            if group:
                yield values[at], group

    def _grouped(self, rows: BitMap, field: str) -> Mapping[str, BitMap]:
        groups: dict[str, BitMap] = {}
        for row in rows:
            value = self._texts[row].get(field)
            if isinstance(value, str):
                groups.setdefault(value, BitMap()).add(row)
        return groups

    def _number_groups(self, rows: BitMap, by: _By, start: SortValue, count: int) -> _Groups:
        having = to_rows(rows & self._columns.present(by.field))
        sign = -1 if by.descending else 1
        keys = sign * self._columns.gather(by.field, having)
        if isinstance(start, int):
            same = having[keys == sign * start]
            if len(same):
                yield start, to_bitmap(same)
            # The group at the key may be used up, so it does not count among those that are still needed.
            having, keys = having[keys > sign * start], keys[keys > sign * start]
        if len(keys) > count:
            near = keys <= np.partition(keys, count - 1)[count - 1]
            having, keys = having[near], keys[near]
        for key in np.unique(keys):  # nearly `count` at most: those beyond were cut off above
            yield sign * int(key), to_bitmap(having[keys == key])

    def _by_id(self, rows: BitMap, wanted: _Wanted) -> list[bytes]:
        numbers = to_rows(rows)
        keys = self._rows.prefixes(numbers)
        if self._ids_descending:
            keys = ~keys
        if wanted.after is not None:
            numbers, keys = self._after_id(numbers, keys, wanted.after.node_id)
        if len(keys) > wanted.count:
            numbers = numbers[keys <= np.partition(keys, wanted.count - 1)[wanted.count - 1]]
        ids = sorted((self._rows.node_id(row) for row in numbers), reverse=self._ids_descending)
        return ids[: wanted.count]

    def _after_id(self, numbers: Rows32, keys: Prefixes, node_id: bytes) -> tuple[Rows32, Prefixes]:
        """Those whose id comes after `node_id`; the ids themselves are compared only where the prefix ties."""
        last = np.uint64(prefix(node_id))
        if self._ids_descending:
            last = ~last
        beyond = keys > last
        for at in np.flatnonzero(keys == last):
            other = self._rows.node_id(numbers[at])
            beyond[at] = other < node_id if self._ids_descending else other > node_id
        return numbers[beyond], keys[beyond]


def _checked(sort: Sort) -> tuple[list[_By], bool]:
    """The levels above `node_id`, and whether ids descend. No two nodes tie there, so what comes after has no say."""
    if len(sort) > SORT_FIELDS_MAX:
        raise _refused("sort", f"at most {SORT_FIELDS_MAX} fields are allowed, got {len(sort)}")
    levels: list[_By] = []
    ids: bool | None = None
    for at, (field, direction) in enumerate(sort):
        known = field_type(field)
        if known is None or known.kind is Kind.LIST:
            raise _refused(f"sort[{at}][0]", "the name of a field with one value was expected")
        if direction not in ("asc", "desc"):
            raise _refused(f"sort[{at}][1]", "asc or desc was expected")
        if field == "node_id" and ids is None:
            ids = direction == "desc"
        if ids is None:
            levels.append(_By(field, direction == "desc"))
    return levels, bool(ids)


def _refused(path: str, message: str) -> Refused:
    return Refused(-32602, "params.invalid", f"{path}: {message}", path=path)
