"""The links that are up, whoever needs them, and how much each peer has asked over its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2preg.base.limits import OVERLAY_DEBT_MAX
from p2preg.overlay.rates import Allowance


@dataclass(slots=True)
class Link:
    """`outbound`: we dialled it. `round_trip`: seconds, None when not measured. `echo`: a `Connect` of ours for a link
    that was up is still to be answered, so one more `PeerUp` need not mean a new link."""

    outbound: bool
    round_trip: float | None = None
    echo: bool = False
    received: Allowance = field(default_factory=Allowance)
    sent: Allowance = field(default_factory=Allowance)
    misbehaved: bool = False

    def admits(self, message: object, now: float) -> bool:
        """Whether a message received is within its rate; one too far beyond makes the peer misbehave for good."""
        left = self.received.take(message, now)
        self.misbehaved = self.misbehaved or left < -OVERLAY_DEBT_MAX
        return left >= 0 and not self.misbehaved
