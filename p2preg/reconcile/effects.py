"""What reconciliation may ask for besides `base.effects`."""

from __future__ import annotations

from msgspec import Struct


class Offer(Struct, frozen=True):
    """Parse, verify and merge these cells of `peer`, then answer `Offered(session, …)`. `session` is None for cells
    that the peer pushed."""

    peer: bytes
    session: int | None
    cells: tuple[bytes, ...]


class SessionEnded(Struct, frozen=True):
    """A session that we started is over. `ok`: everything was compared. `received`: cells that were new here;
    `repaired`: those of them that gossip should have brought; `pushed`: cells that the peer was found to lack."""

    peer: bytes
    ok: bool
    received: int
    pushed: int
    repaired: int
    equal_at_start: bool
