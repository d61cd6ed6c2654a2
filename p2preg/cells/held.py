"""The cells that this registry holds: a function of the set of cells offered to it, never of their order
(docs/architecture.md, Cells).

A lease needs its home's registry cell, an advert a lease of its subject; so each held cell has a level, the least of
its own (seen until its life is over, then invisible for a while) and of the best that it needs. Cells that lack what
they need wait, and come back by themselves. Signatures are checked before a cell is offered. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest

from p2preg.base.bounded import BoundedDict
from p2preg.base.limits import EVIDENCE_MAX
from p2preg.cells.cell import ADVERT, LEASE, PROOF_AHEAD_MS, REGISTRY, Cell, advert_key, registry_key
from p2preg.cells.changes import Change, Ended, HeldStatistics, Outcome
from p2preg.cells.deadlines import Deadlines
from p2preg.cells.early import EarlyCells
from p2preg.cells.leases import HeldLeases
from p2preg.cells.network import NetworkFile
from p2preg.cells.places import Places, rank
from p2preg.cells.waiting import WaitingCells

AHEAD_MS = 300_000  # a seq further ahead waits until its time has come
ENDED_KEPT_MS = 600_000  # an ended cell stays so long, invisible: peers' clocks may differ by as much

_OUT, _INVISIBLE, _VISIBLE = 0, 1, 2  # levels


class HeldCells:
    """The cells of one network at one registry. `now_ms` is Unix time, `now` monotonic seconds."""

    def __init__(self, network: NetworkFile) -> None:
        self._network = network
        self._held: dict[bytes, Cell] = {}
        self._counts = {REGISTRY: 0, ADVERT: 0, LEASE: 0}  # of held cells
        self._ended: dict[bytes, None] = {}  # keys of held cells whose own life is over
        self._invisible: dict[bytes, None] = {}  # these, and those that need one of them
        self._places = Places(network.max_registries)
        self._leases = HeldLeases()
        self._deadlines = Deadlines()
        self._waiting = WaitingCells()
        self._early = EarlyCells()
        self._evidence: BoundedDict[bytes, tuple[Cell, Cell]] = BoundedDict(EVIDENCE_MAX)
        self._changes: list[Change | Ended] = []
        self._now_ms, self._now = 0, 0.0  # of the call under way
        self._ticked_ms = 0

    # --- what comes in ---

    def offer(self, cell: Cell, now_ms: int, now: float, source: bytes | None) -> Outcome:
        """Take in a cell whose signatures hold. `source`: the peer that it came from; None: this registry itself."""
        if cell.end_ms <= now_ms:
            return Outcome.ENDED
        if self._has_as_great(cell, source):
            return Outcome.STALE
        if cell.slot >= self._network.slots or (cell.kind == REGISTRY and not self._network.admits(cell)):
            return Outcome.NOT_HELD
        if cell.seq > now_ms + AHEAD_MS:
            self._early.add(cell, source)
            return Outcome.EARLY
        self._now_ms, self._now = now_ms, now
        if self._support(cell) == _OUT:
            self._waiting.add(cell, source, now)
            return Outcome.WAITING
        self._place(cell)
        return Outcome.NEW

    def tick(self, now_ms: int, now: float) -> None:
        """Let time pass: lives end, what ended long ago goes, what was early or waits may come in."""
        self._now_ms, self._now = now_ms, now
        self._ticked_ms = now_ms
        self._waiting.expire(now)
        for key in self._deadlines.pop_due(now_ms):
            self._on_deadline(self._held[key])
        for cell, source in self._early.pop_due(now_ms + AHEAD_MS):
            self.offer(cell, now_ms, now, source)
        self._fill_places()

    def drain_changes(self) -> list[Change | Ended]:
        """What has happened to the held cells since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    # --- what is held ---

    def get(self, key: bytes) -> Cell | None:
        """The held cell with `key`, an invisible one too."""
        return self._held.get(key)

    def is_visible(self, key: bytes) -> bool:
        return self._level(key) == _VISIBLE

    def cells(self, kind: int) -> Iterator[Cell]:
        """All held cells of `kind`, invisible ones too, in no promised order."""
        return (cell for cell in self._held.values() if cell.kind == kind)

    def evidence(self) -> list[tuple[Cell, Cell]]:
        """Pairs that one writer signed with one key and seq, the lesser first."""
        return self._evidence.values()

    # --- what can be seen ---

    def registry(self, public_key: bytes) -> Cell | None:
        return self._seen(registry_key(public_key))

    def registries(self) -> Iterator[Cell]:
        """In the order of their rank."""
        return (self._held[registry_key(registry)] for registry in self._places.visible())

    def leases_by(self, home: bytes) -> list[Cell]:
        """The leases that `home` has written, by slot."""
        return [lease for lease in self._leases.by(home) if lease.key not in self._invisible]

    def leases_of(self, node: bytes) -> list[Cell]:
        """The leases of `node` at all homes, the latest presence first."""
        return self._leases.of(node)

    def advert(self, node: bytes, writer: bytes) -> Cell | None:
        return self._seen(advert_key(node, writer))

    def leases_at(self, node: bytes, home: bytes) -> list[Cell]:
        """The leases of `node` at `home`, the latest presence last."""
        return self._leases.at(node, home)

    def current(self, node: bytes) -> tuple[Cell | None, Cell | None]:
        """The lease that says where `node` is and how it is, the latest presence at a home that has a description; and
        the description that counts: the node's own, else that of this home."""
        own = self.advert(node, node)
        if own is not None:
            return self._leases.latest(node, lambda home: True), own
        lease = self._leases.latest(node, lambda home: self.advert(node, home) is not None)
        return lease, self.advert(node, lease.writer) if lease is not None else None

    def current_lease(self, node: bytes) -> Cell | None:
        return self.current(node)[0]

    def current_advert(self, node: bytes) -> Cell | None:
        return self.current(node)[1]

    # --- levels ---

    def _seen(self, key: bytes) -> Cell | None:
        return None if key in self._invisible else self._held.get(key)

    def _level(self, key: bytes) -> int:
        if key not in self._held:
            return _OUT
        return _INVISIBLE if key in self._invisible else _VISIBLE

    def _support(self, cell: Cell) -> int:
        """The level of the best that `cell` needs."""
        if cell.kind == LEASE:
            return self._level(registry_key(cell.writer))
        if cell.kind == ADVERT:
            if self._leases.justify(cell.subject, cell.writer, visible=True):
                return _VISIBLE
            return _INVISIBLE if self._leases.justify(cell.subject, cell.writer, visible=False) else _OUT
        return _VISIBLE if cell.key in self._held or self._places.fits(cell.writer) else _OUT

    def _deserved(self, cell: Cell) -> int:
        return min(self._support(cell), _INVISIBLE if cell.key in self._ended else _VISIBLE)

    def _set_level(self, cell: Cell, level: int) -> None:
        if level == _INVISIBLE:
            self._invisible[cell.key] = None
            self._changes.append(Ended(cell))
        else:
            self._invisible.pop(cell.key, None)

    # --- moves: each ends with those that need the moved cell ---

    def _place(self, cell: Cell) -> None:
        """Hold `cell`, instead of an older one with its key."""
        key, was = cell.key, self._level(cell.key)
        if cell.kind == REGISTRY:
            self._enter(cell)
        self._waiting.pop(key)
        old = self._held.get(key)
        self._held[key] = cell
        self._counts[cell.kind] += old is None
        self._ended.pop(key, None)
        self._deadlines.set(key, cell.end_ms)
        self._changes.append(Change(key, old, cell))
        level = self._deserved(cell)
        self._set_level(cell, level)
        if cell.kind == REGISTRY:
            self._carry_leases(cell.writer, was, level)
        elif cell.kind == LEASE:
            self._move_lease(old, was, cell, level)

    def _regrade(self, cell: Cell) -> None:
        """Its own life or what it needs has changed: give a held cell the level that it now deserves."""
        was, level = self._level(cell.key), self._deserved(cell)
        if level == was:
            return
        if level == _OUT:
            self._remove(cell)
            return
        if level == _VISIBLE:
            self._changes.append(Change(cell.key, cell, cell))
        self._set_level(cell, level)
        if cell.kind == REGISTRY:
            self._carry_leases(cell.writer, was, level)
        elif cell.kind == LEASE:
            self._move_lease(cell, was, cell, level)

    def _remove(self, cell: Cell) -> None:
        """Hold `cell` no longer. Unless its life is over it waits: it may come to be held again."""
        was = self._level(cell.key)
        del self._held[cell.key]
        self._counts[cell.kind] -= 1
        self._ended.pop(cell.key, None)
        self._invisible.pop(cell.key, None)
        self._deadlines.pop(cell.key)
        self._changes.append(Change(cell.key, cell, None))
        if cell.end_ms > self._now_ms:
            self._waiting.add(cell, None, self._now)
        if cell.kind == REGISTRY:
            self._places.leave(cell.writer)
            self._carry_leases(cell.writer, was, _OUT)
        elif cell.kind == LEASE:
            self._move_lease(cell, was, None, _OUT)

    def _enter(self, cell: Cell) -> None:
        """Give a registry its place; whoever ranks last goes if there is no room."""
        if cell.key not in self._held:
            yielding = self._places.yielding()
            if yielding is not None:
                self._remove(self._held[registry_key(yielding)])
        self._places.enter(cell.writer)

    def _carry_leases(self, home: bytes, was: int, level: int) -> None:
        """The leases of a registry whose level has changed follow it."""
        if level != was:
            for lease in self._leases.by(home):
                self._regrade(lease)
        if was == _OUT:
            for lease in self._waiting.leases_by(home):
                self._promote(lease.key)

    def _move_lease(self, old: Cell | None, was: int, new: Cell | None, level: int) -> None:
        """A slot's lease `old` at level `was` is now `new` at `level`: book it, and see to the adverts of both."""
        if old is not None:
            self._leases.remove(old, was == _VISIBLE)
        if new is not None:
            self._leases.add(new, level == _VISIBLE)
        if old is not None and new is not None and old.subject == new.subject and was == level:
            return  # a renewal justifies what the old one did
        if new is not None:
            self._carry_adverts(new)
        if old is not None and (new is None or new.subject != old.subject):
            self._carry_adverts(old)

    def _carry_adverts(self, lease: Cell) -> None:
        """The adverts that a lease justifies: its subject's own, and its home's."""
        for writer in (lease.subject, lease.writer):
            key = advert_key(lease.subject, writer)
            held = self._held.get(key)
            if held is not None:
                self._regrade(held)
            else:
                self._promote(key)

    def _promote(self, key: bytes) -> None:
        """Hold the cell that waits under `key`, if there is one, it has not ended, and what it needs is here."""
        cell = self._waiting.get(key)
        if cell is None or self._support(cell) == _OUT:
            return
        self._waiting.pop(key)
        if cell.end_ms > self._now_ms:
            self._place(cell)

    # --- time ---

    def _on_deadline(self, cell: Cell) -> None:
        """First the end of a cell's life, then of the time for which it is kept."""
        if cell.key in self._ended:
            self._remove(cell)
            return
        self._ended[cell.key] = None
        self._deadlines.set(cell.key, self._kept_until(cell))
        if cell.kind == REGISTRY:
            self._places.end(cell.writer)
        self._regrade(cell)

    def _kept_until(self, cell: Cell) -> int:
        """A lease may end before one that it outranks, whose proof was newer: it is kept until no such one can be
        alive, so that none comes back."""
        kept = cell.end_ms + ENDED_KEPT_MS
        if cell.kind == LEASE:
            kept = max(kept, cell.seq + PROOF_AHEAD_MS + self._network.lives[LEASE])
        return kept

    def _fill_places(self) -> None:
        """Let in the registries that rank first among those that wait, as many as there are places."""
        if self._places.free > 0:
            first = nsmallest(self._places.free, self._waiting.registries(), key=lambda cell: rank(cell.writer))
            for cell in first:
                self._promote(cell.key)

    def _has_as_great(self, cell: Cell, source: bytes | None) -> bool:
        """Whether a cell with this key that is no less is held or waits. A pair with one seq is kept as evidence."""
        waiting = self._waiting.get(cell.key)
        known = waiting if waiting is not None else self._held.get(cell.key)
        if known is None:
            return False
        if known.seq == cell.seq and known.hash != cell.hash:
            pair = (known, cell) if known.order < cell.order else (cell, known)
            self._evidence.set(cell.key, pair)
        if known.order < cell.order:
            return False
        if waiting is not None:
            self._waiting.offered_again(cell, source)
        return True

    # --- what can be watched ---

    def statistics(self) -> HeldStatistics:
        return HeldStatistics(
            registries=self._counts[REGISTRY],
            leases=self._counts[LEASE],
            adverts=self._counts[ADVERT],
            invisible=len(self._invisible),
            waiting=len(self._waiting),
            waiting_bytes=self._waiting.bytes,
            early=len(self._early),
            early_bytes=self._early.bytes,
            evidence=len(self._evidence),
        )

    def check_invariants(self) -> None:
        """Recompute what is kept up step by step; `AssertionError` where it differs."""
        passed_ms = min(self._ticked_ms, self._now_ms)  # the wall clock may have been set back since
        for key, cell in self._held.items():
            assert key == cell.key and self._waiting.get(key) is None and key in self._deadlines
            assert self._level(key) == self._deserved(cell), f"{cell!r} is at the wrong level"
            assert self._level(key) < _VISIBLE or cell.end_ms > passed_ms, f"{cell!r} has ended, and can be seen"
        assert len(self._deadlines) == len(self._held)
        assert self._counts == {kind: len(list(self.cells(kind))) for kind in self._counts}
        assert self._ended.keys() <= self._invisible.keys() <= self._held.keys()
        registries = [cell.writer for cell in self.cells(REGISTRY)]
        assert len(registries) == len(self._places)
        assert sorted(self._places.visible()) == sorted(r for r in registries if registry_key(r) not in self._ended)
        leases = {lease.key: lease for lease in self.cells(LEASE)}
        assert leases == {lease.key: lease for home in registries for lease in self._leases.by(home)}
        for visible in (True, False):
            assert self._leases.keys(visible) == sorted(key for key in leases if self.is_visible(key) == visible)
        for cell in self._waiting.cells():
            assert cell.kind == REGISTRY or self._support(cell) == _OUT, f"{cell!r} waits for what is here"
        for part in (self._places, self._waiting, self._early):
            part.check_invariants()
