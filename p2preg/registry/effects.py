"""What the registry asks for, besides the common effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from p2preg.base.errors import Refused
from p2preg.cells.cell import Cell


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a call."""

    session: int
    call: int
    result: Any


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer a call with an error of the contract."""

    session: int
    call: int
    error: Refused


@dataclass(frozen=True, slots=True)
class Notify:
    """Send a notification. `bulk`: one of a subscription, for which the outbox must have had room."""

    session: int
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Author:
    """Cells of our own: to disk, then held and spread, then `Authored(token)`."""

    token: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class PublishPage:
    """A page for our next batch."""

    kind: int
    subject: bytes
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StartLookup:
    """A Kademlia lookup of a registry for a client; `LookedUp` follows."""

    session: int
    call: int
    target: bytes
