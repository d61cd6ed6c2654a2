"""What a node asks of its driver, besides `Send`, `Schedule` and the registry's own effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from p2preg.cells.cell import Cell
from p2preg.crypto.verify import SignatureCheck


@dataclass(frozen=True, slots=True)
class Dial:
    """Make a link to `endpoint`; `expected` is who must answer there, None for a seed. `LinkUp` or `DialFailed`
    follows."""

    endpoint: str
    expected: bytes | None


@dataclass(frozen=True, slots=True)
class CloseLink:
    """Close the link to `peer`, telling it why."""

    peer: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Check these many signatures, in a worker thread; `Verified` with the token follows."""

    token: int
    checks: tuple[SignatureCheck, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """Write cells to disk. With a token, `Stored` follows when they are durable."""

    token: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove cells from disk."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Persist:
    """Write a small named value to disk."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """A fact for the operator. `level`: "info", "warning" or "error"."""

    level: str
    event: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Halt:
    """This process must end: another one uses its key."""

    reason: str
