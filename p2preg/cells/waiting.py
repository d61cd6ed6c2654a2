"""Valid cells that cannot be held yet: a lease without its registry, an advert without its lease, a registry without a
place. They keep what is held independent of the order of arrival; what is lost here, reconciliation brings again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from p2preg.base.limits import WAITING_BYTES_MAX, WAITING_SECONDS, WAITING_SOURCES_MAX
from p2preg.cells.cell import LEASE, REGISTRY, Cell


@dataclass(slots=True)
class _Share:
    """What one source has waiting, oldest first."""

    size: int = 0  # bytes
    keys: dict[bytes, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Entry:
    cell: Cell
    source: bytes | None
    until: float


class WaitingCells:
    """One cell per key. Beyond the cap the oldest of the source with the most bytes goes, so a flood drowns itself."""

    def __init__(self) -> None:
        self.bytes = 0
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # in the order of their end: all wait equally long
        self._shares: dict[bytes | None, _Share] = {}
        self._leases: dict[bytes, dict[bytes, None]] = {}  # home -> keys of leases that wait for it
        self._registries: dict[bytes, None] = {}  # keys

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Cell | None:
        entry = self._entries.get(key)
        return entry.cell if entry is not None else None

    def cells(self) -> Iterator[Cell]:
        return (entry.cell for entry in self._entries.values())

    def registries(self) -> Iterator[Cell]:
        """Those that wait for a place."""
        return (self._entries[key].cell for key in self._registries)

    def leases_by(self, home: bytes) -> list[Cell]:
        """Those that wait for the registry cell of `home`."""
        return [self._entries[key].cell for key in self._leases.get(home, ())]

    def add(self, cell: Cell, source: bytes | None, now: float) -> None:
        """Let `cell` wait, instead of an older one with its key, in the share of the peer `source`; None: our own."""
        self.pop(cell.key)
        source = self._payer(source)
        self._charge(cell, source)
        self._entries[cell.key] = _Entry(cell, source, now + WAITING_SECONDS)
        if cell.kind == LEASE:
            self._leases.setdefault(cell.writer, {})[cell.key] = None
        elif cell.kind == REGISTRY:
            self._registries[cell.key] = None
        while self.bytes > WAITING_BYTES_MAX:
            largest = max(self._shares.values(), key=lambda share: share.size)
            self.pop(next(iter(largest.keys)))

    def offered_again(self, cell: Cell, source: bytes | None) -> None:
        """The same cell came from a second source: it counts against the smaller share, so that no flooder can take
        the cells of others down with its own."""
        entry = self._entries[cell.key]
        source = self._payer(source)
        share = self._shares.get(source, _Share())
        if entry.cell.hash == cell.hash and share.size < self._shares[entry.source].size:
            self._discharge(entry)
            self._charge(entry.cell, source)
            self._entries[cell.key] = _Entry(entry.cell, source, entry.until)

    def pop(self, key: bytes) -> Cell | None:
        """Take the cell with `key` out, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._discharge(entry)
        cell = entry.cell
        if cell.kind == LEASE:
            leases = self._leases[cell.writer]
            del leases[key]
            if not leases:
                del self._leases[cell.writer]
        elif cell.kind == REGISTRY:
            del self._registries[key]
        return cell

    def expire(self, now: float) -> None:
        """Forget what has waited for `WAITING_SECONDS`."""
        while self._entries:
            key = next(iter(self._entries))
            if now < self._entries[key].until:
                return
            self.pop(key)

    def _payer(self, source: bytes | None) -> bytes | None:
        """Whose share a cell from `source` takes."""
        return source if source in self._shares or len(self._shares) < WAITING_SOURCES_MAX else None

    def _charge(self, cell: Cell, payer: bytes | None) -> None:
        share = self._shares.setdefault(payer, _Share())
        share.keys[cell.key] = None
        share.size += len(cell.raw)
        self.bytes += len(cell.raw)

    def _discharge(self, entry: _Entry) -> None:
        share = self._shares[entry.source]
        del share.keys[entry.cell.key]
        share.size -= len(entry.cell.raw)
        self.bytes -= len(entry.cell.raw)
        if not share.keys:
            del self._shares[entry.source]

    def check_invariants(self) -> None:
        entries = self._entries
        assert self.bytes == sum(len(entry.cell.raw) for entry in entries.values()) <= WAITING_BYTES_MAX
        assert len(self._shares) <= WAITING_SOURCES_MAX + 1
        for source, share in self._shares.items():
            assert share.keys
            assert share.size == sum(len(entries[key].cell.raw) for key in share.keys)
            assert all(entries[key].source == source for key in share.keys)
        assert sum(len(share.keys) for share in self._shares.values()) == len(entries)
        assert sorted(self._registries) == sorted(key for key in entries if key[0] == REGISTRY)
        leases = [key for keys in self._leases.values() for key in keys]
        assert sorted(leases) == sorted(key for key in entries if key[0] == LEASE)
