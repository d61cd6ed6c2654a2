"""The numbers of reconciliation. Those that bound what a stranger can cost stand in `base.limits`."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.errors import ConfigError
from p2preg.base.limits import (
    RECONCILE_BYTES_MAX,
    RECONCILE_FRAME_BYTES,
    RECONCILE_PUSH_BYTES_MAX,
    RECONCILE_REQUESTS_BURST,
    RECONCILE_REQUESTS_MAX,
    RECONCILE_REQUESTS_PER_SECOND_MAX,
    RECONCILE_SECONDS_MAX,
    RECONCILE_SESSIONS_MAX,
)

REGISTRY, ADVERT, LEASE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class ReconcileConfig:
    """Seconds, bytes and counts."""

    kinds: tuple[int, ...] = (REGISTRY, LEASE, ADVERT)  # in this order: a lease needs its registry, an advert its lease
    leaf: int = 32  # a range of which one side holds no more is listed, not split (negentropy's leaf)
    stream_min: int = 64  # a peer that holds fewer is listed even when we hold nothing: one frame of elements
    skew_ms: int = 600_000  # how far a peer's `as_of_ms` may be from our now; ended cells are kept as long
    request_timeout: float = 5.0  # a request without an answer ends the session
    busy_wait: float = 0.5  # before a request that was refused as "busy" is sent again
    busy_max: int = 20  # such refusals in a row end the session
    barren_max: int = 8  # requests for cells in a row that bring none end the session
    sessions_max: int = RECONCILE_SESSIONS_MAX
    requests_max: int = RECONCILE_REQUESTS_MAX
    bytes_max: int = RECONCILE_BYTES_MAX
    push_bytes_max: int = RECONCILE_PUSH_BYTES_MAX
    seconds_max: float = RECONCILE_SECONDS_MAX
    rate: float = RECONCILE_REQUESTS_PER_SECOND_MAX
    burst: float = RECONCILE_REQUESTS_BURST
    frame_bytes: int = RECONCILE_FRAME_BYTES

    def validate(self) -> None:
        """`ConfigError` unless the numbers fit each other."""
        if self.request_timeout > self.seconds_max:
            raise ConfigError("reconcile: request_timeout must not exceed seconds_max")
        if self.burst < len(self.kinds):
            raise ConfigError("reconcile: burst must allow one request for each kind, with which a session begins")
