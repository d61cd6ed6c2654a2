"""What happens at this registry's RPC door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A websocket was accepted. `group`: the address' /24 or /48, "" when quotas do not count it (loopback)."""

    session: int
    address: str
    group: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The websocket is gone, whichever side ended it."""

    session: int


@dataclass(frozen=True, slots=True)
class SessionSilent:
    """The websocket has answered no ping for 10 s."""

    session: int


@dataclass(frozen=True, slots=True)
class SessionHeard:
    """A silent websocket answers again."""

    session: int


@dataclass(frozen=True, slots=True)
class SessionWritable:
    """The session's outbox has room for notifications."""

    session: int


@dataclass(frozen=True, slots=True)
class Call:
    """A well-formed JSON-RPC request for a known method. `call` names it within the session; the answer is a
    `Reply` or `Fail` with the same numbers, sooner or later. `params`: what JSON decoded to."""

    session: int
    call: int
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Authored:
    """The cells of an `Author` effect are on disk and held."""

    token: int


@dataclass(frozen=True, slots=True)
class Changed:
    """The held cells about `subject` changed, by whatever way."""

    subject: bytes


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A lookup that a client asked for has ended. `result`: a `results.LookedUp`."""

    session: int
    call: int
    result: Any


@dataclass(frozen=True, slots=True)
class RegistryKnown:
    """A registry cell is held; `epoch` as it says."""

    registry: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class RegistryForgotten:
    """A registry is no longer held."""

    registry: bytes


@dataclass(frozen=True, slots=True)
class BatchHeard:
    """A registry's batch was verified: whether it is a sign of life is judged here. Milliseconds, as it says."""

    registry: bytes
    epoch: int
    uptime_ms: int
    interval_ms: int
    issued_ms: int


@dataclass(frozen=True, slots=True)
class PageHeard:
    """A page from a registry's batch; (epoch, counter) orders the pages of one registry."""

    registry: bytes
    epoch: int
    counter: int
    issued_ms: int
    kind: int
    subject: bytes
    body: Any


@dataclass(frozen=True, slots=True)
class Stopping:
    """This registry is about to stop: its guests are told where else to go."""
