"""What the directory shows of a node's quality: the network's estimate over the last ten minutes, in integers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QosView:
    """What the QoS module says of a node now: milli-points, millionths, microseconds, bits per second; medians."""

    score_mp: int
    confidence_ppm: int
    round_trip_time_us: int | None
    fraction_lost_ppm: int | None
    bitrate_bps: int | None
