"""Numbers: one int64 column per number field, with a bitmap of the rows that have one."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

Rows32 = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.int64]
_Number = TypeVar("_Number", np.int64, np.uint64)

MISSING = 2**63 - 1  # in a column; above every number that the schema lets in, so it sorts last

_COMPARISONS = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}


class Columns:
    """Fields come from the schema's table of numbers, so there are few; a column exists once a row had a number."""

    def __init__(self) -> None:
        self._columns: dict[str, Numbers] = {}
        self._present: dict[str, BitMap] = {}

    def set(self, field: str, row: int, number: int) -> None:
        column = grown(self._columns.get(field, np.zeros(0, np.int64)), row + 1, MISSING)
        column[row] = number
        self._columns[field] = column
        self._present.setdefault(field, BitMap()).add(row)

    def unset(self, field: str, row: int) -> None:
        self._columns[field][row] = MISSING
        self._present[field].remove(row)

    def of_row(self, row: int) -> dict[str, int]:
        """The numbers that `row` has."""
        return {field: int(self._columns[field][row]) for field, rows in self._present.items() if row in rows}

    def value(self, field: str, row: int) -> int | None:
        return int(self._columns[field][row]) if row in self.present(field) else None

    def present(self, field: str) -> BitMap:
        """The rows that have a number; not to be changed."""
        return self._present.get(field, _NONE)

    def gather(self, field: str, rows: Rows32) -> Numbers:
        """The number of each row, `MISSING` where there is none."""
        column = self._columns.get(field)
        if column is None or not len(rows):
            return np.full(len(rows), MISSING, np.int64)
        if rows.max() >= len(column):
            column = self._columns[field] = grown(column, int(rows.max()) + 1, MISSING)
        return column[rows]

    def compare(self, field: str, comparison: str, bound: int, candidates: BitMap) -> BitMap:
        """Those candidates that have a number for which `number comparison bound` holds."""
        rows = to_rows(self.present(field) & candidates)
        return to_bitmap(rows[_COMPARISONS[comparison](self.gather(field, rows), bound)])

    def among(self, field: str, numbers: Sequence[int], candidates: BitMap) -> BitMap:
        """Those candidates that have one of `numbers`."""
        rows = to_rows(self.present(field) & candidates)
        return to_bitmap(rows[np.isin(self.gather(field, rows), np.asarray(numbers, np.int64))])

    def check_invariants(self) -> None:
        for field, present in self._present.items():
            assert BitMap(np.flatnonzero(self._columns[field] != MISSING).tolist()) == present


_NONE = BitMap()


def grown(column: npt.NDArray[_Number], size: int, fill: int) -> npt.NDArray[_Number]:
    """`column`, or a copy of at least twice its length that holds `size` entries."""
    if size <= len(column):
        return column
    longer = np.full(max(size, 2 * len(column), 64), fill, column.dtype)
    longer[: len(column)] = column
    return longer


def to_rows(bitmap: BitMap) -> Rows32:
    """The rows of a bitmap, ascending."""
    return np.asarray(bitmap.to_array(), np.uint32)


def to_bitmap(rows: Rows32) -> BitMap:
    # Through array.array: pyroaring reads a numpy array item by item, which takes seven times as long.
    return BitMap(array("I", rows.tobytes()))
