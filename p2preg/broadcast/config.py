"""The broadcast's numbers: unit, default, and where each comes from; where nothing is named, it is a choice of ours."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BroadcastConfig:
    """All durations in seconds."""

    announce_interval: float = 0.3  # IHAVEs and PRUNEs wait so long, IHAVEs twice at one end of a link (docs/adr/0012)
    graft_timeout_initial: float = 1.0  # t1 until arrival gaps were measured; Corrosion's fixed value
    graft_timeout_min: float = 0.25  # less thrashes on wide-area links (docs/adr/0012)
    graft_timeout_max: float = 2.0  # more only adds to the latency of a loss
    prune_interval: float = 1.0  # at least so long between two PRUNEs to one peer for one origin (Corrosion)
    prune_grace: float = 2.0  # no PRUNE so soon after a GRAFT: its answer may cross the eager copy
    heard_recently: float = 60.0  # a new link starts lazy for origins heard within; three of the longest intervals
    heard_lately: float = 5.0  # a new link is told of what came within: longer than the overlay takes to find one
    gap_patience: float = 5.0  # a missing counter may still come by GRAFT: t1 and several t2 (wild guess)
    gap_interval: float = 10.0  # at least so long between two gaps of one origin, so that lies cost us little
    demotion: float = 60.0  # a breaker of promises is not listened to so long; also the span over which they count

    def validate(self) -> None:
        """Raise `ConfigError` unless the numbers fit together."""
        if not 0 < self.graft_timeout_min <= self.graft_timeout_initial <= self.graft_timeout_max:
            raise ConfigError("graft timeouts: 0 < min <= initial <= max was expected")
        if self.gap_patience <= self.graft_timeout_max:
            raise ConfigError("gap_patience must exceed graft_timeout_max, or no GRAFT could fill a gap")
        if self.announce_interval <= 0 or self.prune_interval < 0 or self.prune_grace < 0:
            raise ConfigError("announce_interval must be positive, prune_interval and prune_grace not negative")
