"""What the registry core is told of the node that it is part of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from p2preg.registry import results
from p2preg.registry.sessions import Authorities


class Surroundings(Protocol):
    """What the rest of the node can say about itself and its peers."""

    def synced(self, now: float) -> bool: ...
    def failover(self) -> list[results.Failover]: ...
    def peers(self, now: float) -> list[results.Peer]: ...
    def peer_counts(self) -> results.PeerCounts: ...
    def cell_count(self) -> int: ...
    def store_bytes(self) -> int: ...
    def statistics(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How this registry presents itself to clients."""

    rpc_url: str
    authorities: Authorities
