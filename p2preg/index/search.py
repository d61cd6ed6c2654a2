"""A filter over a whole index: bitmap algebra first, smallest first; columns on the survivors after."""

from __future__ import annotations

from pyroaring import BitMap

from p2preg.index.bitmaps import Postings
from p2preg.index.columns import Columns, to_bitmap, to_rows
from p2preg.index.geo import HAVERSINE_MARGIN, haversine, haversine_limit, haversines
from p2preg.index.rows import Rows
from p2preg.index.schema import Kind, field_type
from p2preg.index.terms import And, Compare, Eq, Exists, Filter, Has, In, Leaf, Ne, Not, Or, Within

_Cost = tuple[int, int]  # 0 bitmaps, 1 columns, 2 distances; then how many rows can be left at most


class Search:
    """Answers for the rows that are held at the time of each call."""

    def __init__(self, rows: Rows, postings: Postings, columns: Columns) -> None:
        self._rows, self._postings, self._columns = rows, postings, columns

    def among(self, candidates: BitMap, filter: Filter) -> BitMap:
        """Those candidates that match. May be `candidates` itself: not to be changed."""
        match filter:
            case And(terms):
                for term in sorted(terms, key=self._cost):
                    candidates = self.among(candidates, term)
                    if not candidates:
                        break
                return candidates
            case Or(terms):
                found = BitMap()
                for term in terms:
                    found |= self.among(candidates - found, term)
                return found
            case Not(term):
                return candidates - self.among(candidates, term)
        return self._leaf(candidates, filter)

    def _leaf(self, candidates: BitMap, leaf: Leaf) -> BitMap:
        if isinstance(leaf, Within):
            return self._within(candidates, leaf)
        if isinstance(leaf, Compare):
            return self._columns.compare(leaf.field, leaf.operator, leaf.bound, candidates)
        if isinstance(leaf, Exists):
            return candidates & self._present(leaf.field, candidates)
        known = field_type(leaf.field)
        if known is not None and known.kind is Kind.NUMBER:
            return self._number(candidates, leaf)
        match leaf:
            case Eq(field, value) | Has(field, value):
                return candidates & self._with_text(field, str(value))
            case Ne(field, value):
                return (candidates & self._present(field, candidates)) - self._with_text(field, str(value))
            case In(field, values):
                return candidates & _union([self._with_text(field, str(value)) for value in values])

    def _number(self, candidates: BitMap, leaf: Eq | Ne | In | Has) -> BitMap:
        match leaf:
            case In(field, values):
                return self._columns.among(field, [int(value) for value in values], candidates)
            case Ne(field, value):
                return self._columns.compare(field, "ne", int(value), candidates)
        return self._columns.compare(leaf.field, "eq", int(leaf.value), candidates)

    def _with_text(self, field: str, value: str) -> BitMap:
        if field != "node_id":
            return self._postings.rows(field, value)
        row = self._rows.get(bytes.fromhex(value))
        return BitMap() if row is None else BitMap([row])

    def _present(self, field: str, candidates: BitMap) -> BitMap:
        if field == "node_id":
            return candidates
        known = field_type(field)
        if known is not None and known.kind is Kind.NUMBER:
            return self._columns.present(field)
        return self._postings.present(field)

    def _within(self, candidates: BitMap, leaf: Within) -> BitMap:
        rows = to_rows(candidates & self._columns.present("latitude") & self._columns.present("longitude"))
        latitudes, longitudes = self._columns.gather("latitude", rows), self._columns.gather("longitude", rows)
        distances = haversines(leaf.latitude, leaf.longitude, latitudes, longitudes)
        limit = haversine_limit(leaf.metres)
        inside = distances <= limit
        verdicts: dict[tuple[int, int], bool] = {}  # many nodes share one place
        for at in (abs(distances - limit) <= HAVERSINE_MARGIN).nonzero()[0]:
            place = int(latitudes[at]), int(longitudes[at])
            if place not in verdicts:
                verdicts[place] = haversine(leaf.latitude, leaf.longitude, *place) <= limit
            inside[at] = verdicts[place]
        return to_bitmap(rows[inside])

    def _cost(self, filter: Filter) -> _Cost:
        match filter:
            case And(()) | Or(()):
                return 0, 0
            case And(terms):
                costs = [self._cost(term) for term in terms]
                return max(cost[0] for cost in costs), min(cost[1] for cost in costs)
            case Or(terms):
                costs = [self._cost(term) for term in terms]
                return max(cost[0] for cost in costs), sum(cost[1] for cost in costs)
            case Not(term):
                return self._cost(term)[0], len(self._rows)
            case Within():
                return 2, len(self._columns.present("latitude"))
        return self._leaf_cost(filter)

    def _leaf_cost(self, leaf: Eq | Ne | In | Has | Compare | Exists) -> _Cost:
        known = field_type(leaf.field)
        if known is not None and known.kind is Kind.NUMBER:
            return 0 if isinstance(leaf, Exists) else 1, len(self._columns.present(leaf.field))
        match leaf:
            case Eq(field, value) | Has(field, value):
                return 0, len(self._with_text(field, str(value)))
            case In(field, values):
                return 0, sum(len(self._with_text(field, str(value))) for value in values)
        return 0, len(self._rows) if leaf.field == "node_id" else len(self._postings.present(leaf.field))


def _union(bitmaps: list[BitMap]) -> BitMap:
    return BitMap.union(*bitmaps) if bitmaps else BitMap()
