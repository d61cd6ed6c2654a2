"""What the node tells the broadcast, beyond `base.events`."""

from __future__ import annotations

from msgspec import Struct

from p2preg.broadcast.batch import Batch


class Publish(Struct, frozen=True):
    """Spread this batch, which we signed ourselves and which is durable."""

    batch: Batch


class Accepted(Struct, frozen=True):
    """A delivered batch is genuine, it and each cell in it: forward it. Each `Deliver` is answered by this or by
    `Refused`."""

    batch: Batch


class Refused(Struct, frozen=True):
    """A delivered batch is forged, or one of its cells is: whoever sent it is at fault, since all verify first."""

    batch_id: bytes


class OriginHeld(Struct, frozen=True):
    """The registry `origin` is held from now on: its batches are relayed."""

    origin: bytes


class OriginDropped(Struct, frozen=True):
    """The registry `origin` is held no longer: nothing is kept of it."""

    origin: bytes
