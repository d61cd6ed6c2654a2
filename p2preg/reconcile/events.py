"""What can happen to reconciliation besides `base.events`."""

from __future__ import annotations

from msgspec import Struct


class Reconcile(Struct, frozen=True):
    """Start a session with `peer`, as of `now_ms`, our Unix ms. Ignored without a link to it, while one with it is
    under way, and when `RECONCILE_SESSIONS_MAX` are."""

    peer: bytes
    now_ms: int


class Asked(Struct, frozen=True):
    """`peer` sent `message`, one of numbers 40 to 49, at `now_ms`, our Unix ms. Takes the place of `Received`."""

    peer: bytes
    message: object
    now_ms: int


class Offered(Struct, frozen=True):
    """The answer to `Offer`: `merged` of its cells were new here, and `repaired` of these were older than 60 s, so
    that gossip should have brought them."""

    session: int | None
    merged: int
    repaired: int
