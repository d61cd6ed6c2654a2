"""What can happen to a node, besides the registry's own events and `base.events.Received` and `Expired`."""

from __future__ import annotations

from msgspec import Struct

from p2preg.wire.messages import Hello


class LinkUp(Struct, frozen=True):
    """An authenticated link stands and Hello was exchanged. `address`: the other end, as seen here. `round_trip`:
    seconds, None when not measured."""

    peer: bytes
    outbound: bool
    address: str
    hello: Hello
    round_trip: float | None = None


class LinkDown(Struct, frozen=True):
    """The only link to `peer` is gone."""

    peer: bytes


OURSELVES = "this registry itself answers there"


class DialFailed(Struct, frozen=True):
    """A `Dial` came to nothing; `reason` is for the log, but for `OURSELVES`."""

    endpoint: str
    expected: bytes | None
    reason: str


class Verified(Struct, frozen=True):
    """The verdicts on a `Verify`, in order."""

    token: int
    results: list[bool]


class Stored(Struct, frozen=True):
    """The cells of a `Store` with this token are on disk."""

    token: int


class Shutdown(Struct, frozen=True):
    """Say farewell to peers: a last batch says that this registry leaves. Guests were told before."""
