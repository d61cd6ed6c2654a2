"""What any core may ask for. A core's own further effects stand in its package."""

from __future__ import annotations

from msgspec import Struct


class Send(Struct, frozen=True):
    """Put `message` into the outbox of the link to `peer`; dropped when there is no such link."""

    peer: bytes
    message: object


class Schedule(Struct, frozen=True):
    """Call back with `Expired(timer)` at `at` (monotonic seconds). The first element names the core that asks.
    Setting a timer again moves it; there is no cancel."""

    at: float
    timer: tuple[object, ...]


class Connect(Struct, frozen=True):
    """Have a link to `peer`: dial it if there is none. `PeerUp` or `ConnectFailed` follows, never neither."""

    peer: bytes


class Disconnect(Struct, frozen=True):
    """This core no longer needs the link to `peer`; it closes when no other core needs it."""

    peer: bytes


class Misbehaved(Struct, frozen=True):
    """`peer` broke the protocol: its link is closed and it is not dialled again for a while."""

    peer: bytes
    reason: str
