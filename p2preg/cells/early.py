"""Cells from too far ahead: kept, not refused, since whose clock is wrong cannot be known (docs/architecture.md)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from p2preg.base.limits import EARLY_BYTES_MAX
from p2preg.cells.cell import Cell


class EarlyCells:
    """Cells in the order of their time, of bounded bytes; at the cap those furthest ahead go first."""

    def __init__(self) -> None:
        self.bytes = 0
        self._cells: list[tuple[tuple[int, bytes], Cell, bytes | None]] = []

    def __len__(self) -> int:
        return len(self._cells)

    def add(self, cell: Cell, source: bytes | None) -> None:
        """Keep `cell`, unless it is here or is further ahead than all that fit."""
        at = bisect_left(self._cells, cell.order, key=_order)
        if at < len(self._cells) and _order(self._cells[at]) == cell.order:
            return
        self._cells.insert(at, (cell.order, cell, source))
        self.bytes += len(cell.raw)
        while self.bytes > EARLY_BYTES_MAX:
            self.bytes -= len(self._cells.pop()[1].raw)

    def pop_due(self, seq_max: int) -> list[tuple[Cell, bytes | None]]:
        """The cells, each with its source, whose seq is at most `seq_max`."""
        end = bisect_right(self._cells, seq_max, key=lambda entry: entry[0][0])
        due, self._cells = self._cells[:end], self._cells[end:]
        self.bytes -= sum(len(cell.raw) for _, cell, _ in due)
        return [(cell, source) for _, cell, source in due]

    def check_invariants(self) -> None:
        orders = [_order(entry) for entry in self._cells]
        assert orders == sorted(set(orders))
        assert self.bytes == sum(len(cell.raw) for _, cell, _ in self._cells) <= EARLY_BYTES_MAX


def _order(entry: tuple[tuple[int, bytes], Cell, bytes | None]) -> tuple[int, bytes]:
    return entry[0]
