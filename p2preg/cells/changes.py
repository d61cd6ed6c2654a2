"""What became of an offered cell, what the owner of the held cells is told, and what it can count."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from p2preg.cells.cell import Cell


class Outcome(Enum):
    """What became of a valid cell. None of these is a fault of whoever offered it."""

    NEW = auto()  # it is held
    STALE = auto()  # the same, or a greater one with its key, is here
    ENDED = auto()  # its life is over
    EARLY = auto()  # its seq is too far ahead: kept apart until its time has come
    WAITING = auto()  # its registry or lease is not held, or no place is left for this registry: it may come to be held
    NOT_HELD = auto()  # never held in this network: a slot beyond the limit, a registry that is not admitted


@dataclass(frozen=True, slots=True)
class Change:
    """What is held under `key` was `old` and is `new`. No old: it came; no new: it is gone; both the same: one that
    was invisible can be seen again."""

    key: bytes
    old: Cell | None
    new: Cell | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A held cell can be seen no longer: its life is over, or that of the lease or registry that it needs. It stays
    held for a while, so that reconciliation can agree."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class HeldStatistics:
    """Counts of cells, and bytes of what is bounded in bytes. The first three are held, invisible ones included."""

    registries: int
    leases: int
    adverts: int
    invisible: int
    waiting: int
    waiting_bytes: int
    early: int
    early_bytes: int
    evidence: int
