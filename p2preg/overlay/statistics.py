"""The overlay in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    accepted: int = 0  # peers that asked and were given a place
    declined: int = 0  # peers that asked and were given none
    evicted: int = 0  # neighbours that gave way to another
    in_vain: int = 0  # our own requests that came to nothing
    probes: int = 0  # members asked for a near place, most of them to see whether they are near
    walks: int = 0  # ForwardJoins and Shuffles sent, our own and others'
    dropped: int = 0  # messages beyond a rate


@dataclass(frozen=True, slots=True)
class OverlayStatistics:
    """Sizes now, then the counts. `inbound`: of the active view, those that chose us; `near`: those at a short round
    trip, not counted as inbound."""

    active: int
    inbound: int
    near: int
    ring: int
    passive: int
    members: int
    links: int
    requests: int
    accepted: int
    declined: int
    evicted: int
    in_vain: int
    probes: int
    walks: int
    dropped: int
