"""What any core may ask for. A core's own further effects stand in its package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Send:
    """Put `message` into the outbox of the link to `peer`; dropped when there is no such link."""

    peer: bytes
    message: object


@dataclass(frozen=True, slots=True)
class Schedule:
    """Call back with `Expired(timer)` at `at` (monotonic seconds). The first element names the core that asks.
    Setting a timer again moves it; there is no cancel."""

    at: float
    timer: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Connect:
    """Have a link to `peer`: dial it if there is none. `PeerUp` or `ConnectFailed` follows, never neither."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class Disconnect:
    """This core no longer needs the link to `peer`; it closes when no other core needs it."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """`peer` broke the protocol: its link is closed and it is not dialled again for a while."""

    peer: bytes
    reason: str
