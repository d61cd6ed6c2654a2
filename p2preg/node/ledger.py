"""What follows from a change of the held cells for the disk and for the digests that reconciliation compares."""

from __future__ import annotations

from p2preg.cells.cell import Cell
from p2preg.cells.changes import Change, Ended
from p2preg.node.effects import Forget, Store
from p2preg.reconcile.digests import Digests


class Ledger:
    """Keeps the digests equal to what is held."""

    def __init__(self) -> None:
        self.digests = Digests()

    def book(self, change: Change | Ended, now_ms: int, *, on_disk: bool) -> Store | Forget | None:
        """Book one change. `on_disk`: the new cell is there already."""
        if isinstance(change, Ended):
            self._end(change.cell, now_ms)
            return None
        old, new = change.old, change.new
        if old is not None:
            self.digests.remove(old.key)
        if new is not None:
            self.digests.add(new.kind, new.shard, new.key, new.element, new.end_ms)
            return None if on_disk or old is new else Store(None, (new,))
        return Forget((old,)) if old is not None else None

    def _end(self, cell: Cell, now_ms: int) -> None:
        """A cell that lost what it needs ends for reconciliation now, though its own life goes on: so two registries
        whose clocks differ a little still agree."""
        if cell.end_ms > now_ms:
            self.digests.remove(cell.key)
            self.digests.add(cell.kind, cell.shard, cell.key, cell.element, now_ms)
