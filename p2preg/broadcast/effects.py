"""What the broadcast asks of the node, beyond `base.effects`."""

from __future__ import annotations

from msgspec import Struct

from p2preg.base.effects import Misbehaved, Schedule, Send
from p2preg.broadcast.batch import Batch


class Deliver(Struct, frozen=True):
    """A batch that is new here, from `peer`: verify it, then say `Accepted` or `Refused`."""

    peer: bytes
    batch: Batch


class UnknownOrigin(Struct, frozen=True):
    """A batch of a registry that is not held; nothing was kept. If its registry cell is in it and is admitted, say
    `OriginHeld` and hand the batch in once more."""

    peer: bytes
    batch: Batch


class Gap(Struct, frozen=True):
    """Batches `low` to `high` of `origin` in `epoch` did not come, though waited for and asked for: reconcile."""

    origin: bytes
    epoch: int
    low: int
    high: int


class NewEpoch(Struct, frozen=True):
    """A genuine batch shows that `origin` has started anew (or is heard for the first time)."""

    origin: bytes
    epoch: int


Effect = Send | Schedule | Misbehaved | Deliver | UnknownOrigin | Gap | NewEpoch
