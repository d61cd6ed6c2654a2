"""What happens at this registry's RPC door."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class SessionOpened(Struct, frozen=True):
    """A websocket was accepted. `group`: the address' /24 or /48, "" when quotas do not count it (loopback)."""

    session: int
    address: str
    group: str
    nonce: bytes


class SessionClosed(Struct, frozen=True):
    """The websocket is gone, whichever side ended it."""

    session: int


class SessionSilent(Struct, frozen=True):
    """The websocket has answered no ping for 10 s."""

    session: int


class SessionHeard(Struct, frozen=True):
    """A silent websocket answers again."""

    session: int


class SessionWritable(Struct, frozen=True):
    """The session's outbox has room for notifications."""

    session: int


class Call(Struct, frozen=True):
    """A well-formed JSON-RPC request for a known method. `call` names it within the session; the answer is a
    `Reply` or `Fail` with the same numbers, sooner or later. `params`: what JSON decoded to."""

    session: int
    call: int
    method: str
    params: Any


class Authored(Struct, frozen=True):
    """The cells of an `Author` effect are on disk and held."""

    token: int


class Changed(Struct, frozen=True):
    """The held cells about `subject` changed, by whatever way."""

    subject: bytes


class LookedUp(Struct, frozen=True):
    """A lookup that a client asked for has ended. `result`: a `results.LookedUp`."""

    session: int
    call: int
    result: Any


class RegistryKnown(Struct, frozen=True):
    """A registry cell is held; `epoch` as it says."""

    registry: bytes
    epoch: int


class RegistryForgotten(Struct, frozen=True):
    """A registry is no longer held."""

    registry: bytes


class BatchHeard(Struct, frozen=True):
    """A registry's batch was verified: whether it is a sign of life is judged here. Milliseconds, as it says."""

    registry: bytes
    epoch: int
    uptime_ms: int
    interval_ms: int
    issued_ms: int


class PageHeard(Struct, frozen=True):
    """A page from a registry's batch; (epoch, counter) orders the pages of one registry."""

    registry: bytes
    epoch: int
    counter: int
    issued_ms: int
    kind: int
    subject: bytes
    body: Any


class Stopping(Struct, frozen=True):
    """This registry is about to stop: its guests are told where else to go."""
