"""Every deadline and cap of the links in one value, so that a test can shrink them. Seconds unless the name differs."""

from __future__ import annotations

from dataclasses import dataclass, fields

from p2preg.base import limits
from p2preg.base.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """`ConfigError` unless every value is positive and a Pong is given at least as long as the pause between Pings."""

    connect_seconds: float = 5.0  # name resolution and TCP, over all addresses of a name
    handshake_seconds: float = 5.0  # TLS and both Hellos; a port scanner holds its place no longer
    ping_seconds: float = 5.0  # between two Pings: the silence that says a link is dead must fit into 3 batch intervals
    pong_seconds: float = 10.0  # from Ping to Pong, not counting the time in which this side did not read
    frame_seconds: float = 10.0  # from the first byte of a frame to its last: 64 KiB at 6.5 kB/s
    goodbye_seconds: float = 1.0  # to flush an outbox and part; also the grace of a shutdown
    drain_seconds: float = 5.0  # for a link that lost to another one to deliver what is under way
    close_seconds: float = 0.5  # for TLS's close_notify, the only wait that cancellation does not cut short

    links_max: int = limits.LINKS_MAX
    half_open_max: int = limits.HALF_OPEN_MAX
    handshakes_per_prefix_max: int = limits.HANDSHAKES_PER_PREFIX_MAX
    dials_max: int = limits.DIALS_MAX
    dials_waiting_max: int = limits.DIALS_WAITING_MAX
    outbox_bytes_max: int = limits.OUTBOX_BYTES_MAX
    outbox_messages_max: int = limits.OUTBOX_MESSAGES_MAX

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ConfigError(f"{field.name} must be greater than 0, got {getattr(self, field.name)}")
        if self.pong_seconds < self.ping_seconds:
            raise ConfigError(f"pong_seconds {self.pong_seconds} must not be below ping_seconds {self.ping_seconds}")

    @property
    def race_seconds(self) -> float:
        """How long a dial can take. A second link to a peer that comes up within this time of the first may be one
        that was already being dialled; later, the peer can only mean that it lost the first."""
        return self.connect_seconds + self.handshake_seconds
