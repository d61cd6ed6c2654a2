"""What the registry asks for, besides the common effects."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from p2preg.base.errors import Refused
from p2preg.cells.cell import Cell


class Reply(Struct, frozen=True):
    """Answer a call."""

    session: int
    call: int
    result: Any


class Fail(Struct, frozen=True):
    """Answer a call with an error of the contract."""

    session: int
    call: int
    error: Refused


class Notify(Struct, frozen=True):
    """Send a notification. `bulk`: one of a subscription, for which the outbox must have had room."""

    session: int
    method: str
    params: Any


class Author(Struct, frozen=True):
    """Cells of our own: to disk, then held and spread, then `Authored(token)`."""

    token: int
    cells: tuple[Cell, ...]


class PublishPage(Struct, frozen=True):
    """A page for our next batch."""

    kind: int
    subject: bytes
    body: dict[str, Any]


class StartLookup(Struct, frozen=True):
    """A Kademlia lookup of a registry for a client; `LookedUp` follows."""

    session: int
    call: int
    target: bytes
