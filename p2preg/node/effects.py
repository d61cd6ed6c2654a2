"""What a node asks of its driver, besides `Send`, `Schedule` and the registry's own effects."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from p2preg.cells.cell import Cell
from p2preg.crypto.verify import SignatureCheck


class Dial(Struct, frozen=True):
    """Make a link to `endpoint`; `expected` is who must answer there, None for a seed. `LinkUp` or `DialFailed`
    follows."""

    endpoint: str
    expected: bytes | None


class CloseLink(Struct, frozen=True):
    """Close the link to `peer`, telling it why."""

    peer: bytes
    reason: str


class Verify(Struct, frozen=True):
    """Check these many signatures, in a worker thread; `Verified` with the token follows."""

    token: int
    checks: tuple[SignatureCheck, ...]


class Store(Struct, frozen=True):
    """Write cells to disk. With a token, `Stored` follows when they are durable."""

    token: int | None
    cells: tuple[Cell, ...]


class Forget(Struct, frozen=True):
    """Remove cells from disk."""

    cells: tuple[Cell, ...]


class Persist(Struct, frozen=True):
    """Write a small named value to disk."""

    name: str
    value: bytes


class Log(Struct, frozen=True):
    """A fact for the operator. `level`: "info", "warning" or "error"."""

    level: str
    event: str
    fields: dict[str, Any]


class Halt(Struct, frozen=True):
    """This process must end: another one uses its key."""

    reason: str
