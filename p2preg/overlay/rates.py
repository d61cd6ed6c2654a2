"""How much one link may ask of us: a token bucket for each kind of message. A bucket may go below zero, and how far
tells a crowded moment from a flood."""

from __future__ import annotations

from p2preg.base.limits import (
    OVERLAY_FORWARD_JOIN_RATE,
    OVERLAY_JOIN_RATE,
    OVERLAY_NEIGHBOR_RATE,
    OVERLAY_SHUFFLE_RATE,
)
from p2preg.wire.messages import ForwardJoin, Join, Neighbor, Shuffle, ShuffleReply

RATES: dict[type, tuple[int, float]] = {
    Join: OVERLAY_JOIN_RATE,
    Neighbor: OVERLAY_NEIGHBOR_RATE,
    ForwardJoin: OVERLAY_FORWARD_JOIN_RATE,
    Shuffle: OVERLAY_SHUFFLE_RATE,
    ShuffleReply: OVERLAY_SHUFFLE_RATE,
}


class Allowance:
    """One direction of one link."""

    def __init__(self) -> None:
        self._buckets: dict[type, tuple[float, float]] = {}  # tokens, and when they were counted

    def take(self, message: object, now: float, spend_beyond: bool = True) -> float:
        """Spend a token for `message`. Below zero there was none to spend, and the number is the debt.
        Without `spend_beyond` the bucket stays as it is in that case."""
        rate = RATES.get(type(message))
        if rate is None:
            return 0.0
        burst, refill = rate
        tokens, since = self._buckets.get(type(message), (float(burst), now))
        left = min(float(burst), tokens + (now - since) * refill) - 1.0
        if left >= 0 or spend_beyond:
            self._buckets[type(message)] = (left, now)
        return left
