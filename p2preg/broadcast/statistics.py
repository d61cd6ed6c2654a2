"""What the broadcast counts: totals since the start, and how full its containers are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BroadcastStatistics:
    """Totals first, then gauges. Redundancy (RMR) is `duplicates` over `accepted`."""

    published: int = 0
    delivered: int = 0  # handed out for verification
    accepted: int = 0
    refused: int = 0
    duplicates: int = 0
    stale: int = 0  # of an older epoch
    invalid: int = 0  # no batch of this network
    unknown_origin: int = 0
    overflowed: int = 0  # new, but no room to wait for verification
    pushes_sent: int = 0  # batches, along the tree and grafted
    grafts_sent: int = 0  # batches asked for
    grafts_unanswered: int = 0  # batches asked of us and not in the cache, or too often
    prunes_sent: int = 0  # origins
    ihaves_sent: int = 0  # announcements
    broken_promises: int = 0
    gaps: int = 0

    neighbors: int = 0
    origins: int = 0
    pending: int = 0
    missing: int = 0
    seen: int = 0
    cached: int = 0
    cache_bytes: int = 0
    graft_timeout: float = 0.0  # seconds, t1
