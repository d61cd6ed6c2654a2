"""What the node tells the broadcast, beyond `base.events`."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.broadcast.batch import Batch


@dataclass(frozen=True, slots=True)
class Publish:
    """Spread this batch, which we signed ourselves and which is durable."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivered batch is genuine, it and each cell in it: forward it. Each `Deliver` is answered by this or by
    `Refused`."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Refused:
    """A delivered batch is forged, or one of its cells is: whoever sent it is at fault, since all verify first."""

    batch_id: bytes


@dataclass(frozen=True, slots=True)
class OriginHeld:
    """The registry `origin` is held from now on: its batches are relayed."""

    origin: bytes


@dataclass(frozen=True, slots=True)
class OriginDropped:
    """The registry `origin` is held no longer: nothing is kept of it."""

    origin: bytes
