"""What the DHT counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DhtStatistics:
    """Held and under way now: contacts to waiting. Since the start: the rest. `strays`: answers that came too late to
    matter; `refused`: lookups beyond the cap."""

    contacts: int
    buckets: int
    failing: int
    links: int
    dialled: int
    requests: int
    running: int
    waiting: int
    asked: int
    answered: int
    overdue: int
    strays: int
    evicted: int
    refused: int
