"""How patient a client is. Durations are seconds; where no source is named, the number is a guess that worked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Of one connection.

    `connect`: name, TCP, TLS and upgrade. `call`: until an answer, unless the call says otherwise. `send`: for one
    frame. `ping`: between pings when the registry says nothing. `silent`: without a byte, and the connection counts as
    lost; more than twice `ping`, so that one lost ping harms nobody. `close`: for the close handshake.
    """

    connect: float = 5.0
    call: float = 15.0
    send: float = 20.0
    ping: float = 4.0
    silent: float = 10.0
    close: float = 1.0


DEFAULT = ClientConfig()
