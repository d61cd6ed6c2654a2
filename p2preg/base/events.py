"""What can happen to any core. A core's own further events stand in its package."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeerUp:
    """An authenticated link to `peer` has exchanged Hello. `outbound`: we dialled it. `round_trip`: seconds, measured
    when the link came up; a peer can lengthen it, not shorten it. None: not measured."""

    peer: bytes
    outbound: bool
    round_trip: float | None = None


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The only link to `peer` is gone, whatever the reason."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """A `Connect` to `peer` came to nothing."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """`peer` sent `message`, a struct of `wire.messages`."""

    peer: bytes
    message: object


@dataclass(frozen=True, slots=True)
class Expired:
    """A timer that this core asked for is due. The core checks whether its reason still exists."""

    timer: Hashable


@dataclass(frozen=True, slots=True)
class NeighborUp:
    """`peer` is now in the active view, or a ring neighbour: broadcast runs over the link to it."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class NeighborDown:
    """`peer` is no longer a neighbour. An effect of the overlay, an event for the broadcast."""

    peer: bytes
