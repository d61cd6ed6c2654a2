"""What can happen to any core. A core's own further events stand in its package."""

from __future__ import annotations

from collections.abc import Hashable

from msgspec import Struct


class PeerUp(Struct, frozen=True):
    """An authenticated link to `peer` has exchanged Hello. `outbound`: we dialled it. `round_trip`: seconds, measured
    when the link came up; a peer can lengthen it, not shorten it. None: not measured."""

    peer: bytes
    outbound: bool
    round_trip: float | None = None


class PeerDown(Struct, frozen=True):
    """The only link to `peer` is gone, whatever the reason."""

    peer: bytes


class ConnectFailed(Struct, frozen=True):
    """A `Connect` to `peer` came to nothing."""

    peer: bytes


class Received(Struct, frozen=True):
    """`peer` sent `message`, a struct of `wire.messages`."""

    peer: bytes
    message: object


class Expired(Struct, frozen=True):
    """A timer that this core asked for is due. The core checks whether its reason still exists."""

    timer: Hashable


class NeighborUp(Struct, frozen=True):
    """`peer` is now in the active view, or a ring neighbour: broadcast runs over the link to it."""

    peer: bytes


class NeighborDown(Struct, frozen=True):
    """`peer` is no longer a neighbour. An effect of the overlay, an event for the broadcast."""

    peer: bytes
