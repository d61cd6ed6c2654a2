"""The held leases, by home and by Media Node: which nodes a registry has, and where a node is now.

A node has rarely more than one lease, but a home that cheats can give one node all its slots: so what each home has of
a node is sorted, and nothing that a cell can trigger walks through it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

from p2preg.cells.cell import Cell
from p2preg.cells.lease import Proof

Presence = tuple[int, bytes, int, bytes]
_Book = dict[bytes, dict[bytes, list[Cell]]]  # node -> home -> leases, the latest presence last


class HeldLeases:
    """The held leases. Each is visible or not; the caller says which when it adds and when it removes one."""

    def __init__(self) -> None:
        self._slots: dict[bytes, dict[int, Cell]] = {}  # by home
        self._books: dict[bool, _Book] = {True: {}, False: {}}  # the visible ones, and the others

    def add(self, lease: Cell, visible: bool) -> None:
        homes = self._books[visible].setdefault(lease.subject, {})
        insort(homes.setdefault(lease.writer, []), lease, key=presence)
        self._slots.setdefault(lease.writer, {})[lease.slot] = lease

    def remove(self, lease: Cell, visible: bool) -> None:
        book = self._books[visible]
        homes = book[lease.subject]
        leases = homes[lease.writer]
        del leases[bisect_left(leases, presence(lease), key=presence)]
        if not leases:
            del homes[lease.writer]
        if not homes:
            del book[lease.subject]
        slots = self._slots[lease.writer]
        del slots[lease.slot]
        if not slots:
            del self._slots[lease.writer]

    def by(self, home: bytes) -> list[Cell]:
        """All that `home` has written, by slot."""
        return [lease for _, lease in sorted(self._slots.get(home, {}).items())]

    def justify(self, node: bytes, writer: bytes, visible: bool) -> bool:
        """Whether such leases let a description of `node` by `writer` be held: its own needs any lease of the node, a
        home's one by that home."""
        homes = self._books[visible].get(node)
        return homes is not None and (writer == node or writer in homes)

    def at(self, node: bytes, home: bytes) -> list[Cell]:
        """The visible leases of `node` at `home`, the latest presence last."""
        return list(self._books[True].get(node, {}).get(home, ()))

    def of(self, node: bytes) -> list[Cell]:
        """The visible leases of `node`, the latest presence first."""
        leases = [lease for leases in self._books[True].get(node, {}).values() for lease in leases]
        return sorted(leases, key=presence, reverse=True)

    def latest(self, node: bytes, counts: Callable[[bytes], bool]) -> Cell | None:
        """Of the visible leases of `node` at homes that count, the one with the latest presence."""
        latest = [leases[-1] for home, leases in self._books[True].get(node, {}).items() if counts(home)]
        return max(latest, key=presence, default=None)

    def keys(self, visible: bool) -> list[bytes]:
        """The keys of the visible leases, or of the others; for the checks of invariants."""
        homes = self._books[visible].values()
        return sorted(lease.key for leases in homes for some in leases.values() for lease in some)


def presence(lease: Cell) -> Presence:
    """What orders the leases of one node: the proof's seq, then the home; of one home's with one proof the newest."""
    assert isinstance(lease.proof, Proof)
    return lease.proof.seq, lease.writer, lease.seq, lease.hash
