"""What can happen to a node, besides the registry's own events and `base.events.Received` and `Expired`."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.wire.messages import Hello


@dataclass(frozen=True, slots=True)
class LinkUp:
    """An authenticated link stands and Hello was exchanged. `address`: the other end, as seen here. `round_trip`:
    seconds, None when not measured."""

    peer: bytes
    outbound: bool
    address: str
    hello: Hello
    round_trip: float | None = None


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The only link to `peer` is gone."""

    peer: bytes


OURSELVES = "this registry itself answers there"


@dataclass(frozen=True, slots=True)
class DialFailed:
    """A `Dial` came to nothing; `reason` is for the log, but for `OURSELVES`."""

    endpoint: str
    expected: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The verdicts on a `Verify`, in order."""

    token: int
    results: list[bool]


@dataclass(frozen=True, slots=True)
class Stored:
    """The cells of a `Store` with this token are on disk."""

    token: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Say farewell to peers: a last batch says that this registry leaves. Guests were told before."""
