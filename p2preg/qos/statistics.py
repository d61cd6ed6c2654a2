"""What the QoS core counts: totals since the start, and how full its containers are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QosStatistics:
    """Totals first, then gauges."""

    reports: int = 0  # with at least one accepted sample
    reports_refused: int = 0  # for their window, their reporter, or every sample
    samples: int = 0
    samples_refused: int = 0
    pages_published: int = 0
    pages_merged: int = 0
    pages_invalid: int = 0
    pages_stale: int = 0

    subjects: int = 0  # with reports of our own
    windows: int = 0
    pages: int = 0
    views: int = 0
