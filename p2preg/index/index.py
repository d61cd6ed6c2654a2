"""The index: every record that is held, by everything that can be asked about it.

Rows are local; node ids go in and come out. Values are replicated units. An index holds one record per held lease, so
the network file bounds it, and each record brings at most as many bitmaps as `schema.clean` lets through: labels with
ever new keys or values cost what their records cost, and go with them. No clock, no signatures, no subscriptions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from p2preg.base.errors import Refused
from p2preg.index.bitmaps import Postings
from p2preg.index.columns import MISSING, Columns, Numbers, Rows32, to_rows
from p2preg.index.order import Ordering, PageKey, Sort
from p2preg.index.rows import Prefixes, Rows
from p2preg.index.schema import Kind, Value, clean, field_type
from p2preg.index.search import Search
from p2preg.index.terms import Filter


@dataclass(frozen=True, slots=True)
class IndexStatistics:
    """`bitmaps`: values of text fields that some record has."""

    records: int
    text_fields: int
    bitmaps: int


class Index:
    def __init__(self) -> None:
        self._rows = Rows()
        self._all = BitMap()
        self._postings = Postings()
        self._columns = Columns()
        self._texts: dict[int, dict[str, str | tuple[str, ...]]] = {}
        self._search = Search(self._rows, self._postings, self._columns)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, node_id: bytes) -> bool:
        return self._rows.get(node_id) is not None

    # --- what is held

    def put(self, node_id: bytes, fields: Mapping[str, object]) -> None:
        """Hold this record, instead of the one held for the node if there is one."""
        row = self._rows.get(node_id)
        if row is None:
            row = self._rows.acquire(node_id)
            self._all.add(row)
            self._texts[row] = {}
        self._change(row, self._fields(row), clean(fields))

    def update(self, node_id: bytes, changes: Mapping[str, object]) -> bool:
        """Change what changes without a new description (state, contact, home, load, QoS) of a held record, at the
        cost of those fields alone; None takes a field away. False when the node is not held."""
        row = self._rows.get(node_id)
        if row is None:
            return False
        held = {field: value for field in changes if (value := self._field(row, field)) is not None}
        self._change(row, held, clean(changes))
        return True

    def remove(self, node_id: bytes) -> bool:
        """Forget the node; its row is free for another. False when it was not held."""
        row = self._rows.get(node_id)
        if row is None:
            return False
        for field in self._fields(row):
            self._unset(row, field)
        self._rows.release(node_id)
        self._all.remove(row)
        del self._texts[row]
        return True

    def fields_of(self, node_id: bytes) -> dict[str, Value] | None:
        """The record as `matches` and `explain` take it, `node_id` included; None when the node is not held."""
        row = self._rows.get(node_id)
        return None if row is None else {"node_id": node_id.hex(), **self._fields(row)}

    def _fields(self, row: int) -> dict[str, Value]:
        return {**self._texts[row], **self._columns.of_row(row)}

    def _field(self, row: int, field: str) -> Value | None:
        text = self._texts[row].get(field)
        return self._columns.value(field, row) if text is None else text

    def _change(self, row: int, held: Mapping[str, Value], wanted: Mapping[str, Value]) -> None:
        """Make the fields of `held`, which the row has, those of `wanted`, touching only what differs."""
        for field in held:
            if field not in wanted:
                self._unset(row, field)
        for field, value in wanted.items():
            if held.get(field) == value:
                continue
            if isinstance(value, int):
                self._columns.set(field, row, value)
                continue
            if field in held:
                self._unset(row, field)
            self._texts[row][field] = value
            self._postings.add(field, _listed(value), row)

    def _unset(self, row: int, field: str) -> None:
        value = self._texts[row].pop(field, None)
        if value is None:
            self._columns.unset(field, row)
        else:
            self._postings.discard(field, _listed(value), row)

    # --- what is asked

    def search(self, filter: Filter | None, within: BitMap | None = None) -> BitMap:
        """The rows that match, of all or of `within`; None matches everything. The caller's own, until the next
        change of the index: then a row may be another node's."""
        candidates = self._all if within is None else within
        return BitMap(candidates if filter is None else self._search.among(candidates, filter))

    def count(self, filter: Filter | None) -> int:
        return len(self._all if filter is None else self._search.among(self._all, filter))

    def page(
        self, rows: BitMap, sort: Sort = (), after: PageKey | None = None, limit: int = 100
    ) -> tuple[list[bytes], PageKey | None]:
        """The next nodes among `rows` after the key of the last page, and the key for the next page or None.

        `sort` is up to three (field, "asc" | "desc"), a missing value last in both; ties and no sort go by node id.
        `after` must come from a page with the same sort. Raises `Refused` -32602 for what has no order.
        """
        return Ordering(self._rows, self._postings, self._columns, self._texts, sort).page(rows, after, limit)

    def facets(self, rows: BitMap, by: Sequence[str]) -> dict[str, dict[str, int]]:
        """How many of `rows` have each value of each field, most frequent first. A list counts once for each of its
        values, a missing field not at all. Raises `Refused` -32602 for a measure, and for `node_id`."""
        facets: dict[str, dict[str, int]] = {}
        for at, field in enumerate(by):
            if field not in facets:  # a field asked for a thousand times costs one
                facets[field] = self._facet(rows, field, at)
        return facets

    def _facet(self, rows: BitMap, field: str, at: int) -> dict[str, int]:
        known = field_type(field)
        if known is None or not known.countable:
            path = f"by[{at}]"
            raise Refused(-32602, "params.invalid", f"{path}: a field of text, or asn, was expected", path=path)
        if known.kind is Kind.NUMBER:
            numbers = self.numbers(field, to_rows(rows))
            counts = Counter(str(number) for number in numbers[numbers != MISSING].tolist())
        else:
            bitmaps = self._postings.values(field)
            counts = Counter({value: rows.intersection_cardinality(bitmap) for value, bitmap in bitmaps.items()})
        present = [(value, count) for value, count in counts.items() if count]
        return dict(sorted(present, key=lambda pair: (-pair[1], pair[0])))

    # --- for selection: columns of rows, in the order of `rows`

    def rows_of(self, node_ids: Sequence[bytes]) -> BitMap:
        """The rows of those nodes that are held."""
        return BitMap([row for row in map(self._rows.get, node_ids) if row is not None])

    def node_id(self, row: int) -> bytes:
        return self._rows.node_id(row)

    def prefixes(self, rows: Rows32) -> Prefixes:
        """The first eight bytes of each node id, as a number."""
        return self._rows.prefixes(rows)

    def numbers(self, field: str, rows: Rows32) -> Numbers:
        """The value of a number field, `columns.MISSING` where there is none."""
        return self._columns.gather(field, rows)

    def groups(self, field: str, rows: Rows32) -> Numbers:
        """A number for each row, equal where the field is equal; rows without the field are one group."""
        known = field_type(field)
        if known is not None and known.kind is Kind.NUMBER:
            return self.numbers(field, rows)
        codes: dict[object, int] = {}
        texts = (self._texts[row].get(field) for row in rows.tolist())
        return np.fromiter((codes.setdefault(text, len(codes)) for text in texts), np.int64, len(rows))

    # --- for whoever watches

    def statistics(self) -> IndexStatistics:
        fields = self._postings.fields()
        return IndexStatistics(len(self), len(fields), sum(len(self._postings.values(field)) for field in fields))

    def check_invariants(self) -> None:
        """Every attribute that a bitmap or a column has is one that a held record has, and the other way round."""
        self._rows.check_invariants()
        self._postings.check_invariants()
        self._columns.check_invariants()
        assert len(self._all) == len(self._rows) == len(self._texts)
        listed = sum(len(_listed(value)) for texts in self._texts.values() for value in texts.values())
        fields = self._postings.fields()
        assert listed == sum(len(bitmap) for field in fields for bitmap in self._postings.values(field).values())
        for row, texts in self._texts.items():
            assert row in self._all
            assert all(row in self._postings.present(field) for field in texts)
            assert all(
                row in self._postings.rows(field, item) for field, value in texts.items() for item in _listed(value)
            )


def _listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
