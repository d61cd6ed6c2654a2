"""The results of the contract that this SDK reads, typed. A registry may say more; what has no name here is ignored."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from p2preg.client.errors import Untrusted

HexId = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
HexSignature = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")]
T = TypeVar("T")


class RegistryUrl(Struct, frozen=True):
    """A registry to fail over to."""

    registry_id: str
    rpc: str


class Hello(Struct, frozen=True):
    """What `session.hello` says of a registry. `limits`: what one may ask of it, by name."""

    registry_id: HexId
    epoch: int
    network: str
    version: str
    server_nonce: HexId
    signature: HexSignature
    time_ms: int
    peers: list[RegistryUrl] = []
    limits: dict[str, Any] = {}


class Lease(Struct, frozen=True):
    expires_ms: int
    renew_after_s: float


class Renewed(Struct, frozen=True):
    lease: Lease
    advert_expires_ms: int


class Registered(Struct, frozen=True):
    outcome: str
    state: str
    lease: Lease
    advert_expires_ms: int
    warnings: list[str] = []


class State(Struct, frozen=True):
    state: str


class Freshness(Struct, frozen=True):
    """How much of the network an answer has recently heard from."""

    registries_known: int
    registries_fresh: int
    oldest_heartbeat_age_s: float
    synced: bool
    preserving: bool


class Subscribed(Struct, frozen=True):
    subscription: int | str
    mode: str
    freshness: Freshness


class Held(Struct, frozen=True):
    """A node as another registry shows it."""

    home: str
    contact: str


class HeldNodes(Struct, frozen=True):
    nodes: list[Held]
    freshness: Freshness


class NodeNotice(Struct, frozen=True):
    node_id: str
    reason: str
    registries: list[RegistryUrl] = []


def read(value: Any, shape: type[T], what: str) -> T:
    """`value` as `shape`; `Untrusted` when the registry does not keep to the contract."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise Untrusted(f"{what}: an answer of the contract was expected: {error}") from None
