"""What clients get: one struct a method where the shape is fixed. Parts that do not apply are left out."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class Result(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A result; later releases may add fields."""


class Failover(Result, frozen=True):
    registry_id: str
    rpc: str


class Limits(Result, frozen=True):
    message_bytes: int
    batch: int
    in_flight: int
    subscriptions: int
    queue_events: int
    keys: int


class Greeted(Result, frozen=True):
    registry_id: str
    epoch: int
    network: str
    version: str
    server_nonce: str
    time_ms: int
    rpc: str
    peers: list[Failover]
    limits: Limits
    signature: str | UnsetType = UNSET


class Time(Result, frozen=True):
    time_ms: int


class ClientId(Result, frozen=True):
    client_id: str


class Lease(Result, frozen=True):
    expires_ms: int
    renew_after_s: float


class Registered(Result, frozen=True):
    node_id: str
    outcome: Literal["created", "updated", "unchanged"]
    state: str
    lease: Lease
    advert_expires_ms: int
    registry_id: str
    epoch: int
    observed_address: str
    warnings: list[str]


class Renewed(Result, frozen=True):
    lease: Lease
    advert_expires_ms: int
    registry_id: str
    epoch: int


class Empty(Result, frozen=True):
    pass


class State(Result, frozen=True):
    state: str


class Freshness(Result, frozen=True):
    """How much of the network an answer has recently heard from."""

    registries_known: int
    registries_fresh: int
    oldest_heartbeat_age_s: float
    synced: bool
    preserving: bool


class Check(Result, frozen=True):
    predicate: str
    passed: bool
    value: Any
    wanted: Any


class Explained(Result, frozen=True):
    node_id: str
    contact: str
    state: str
    allocatable: bool
    reasons: list[str]
    seen_by: dict[str, Any]
    checks: list[Check]


class Nodes(Result, frozen=True):
    nodes: list[Any]
    freshness: Freshness
    missing: list[str] | UnsetType = UNSET
    total: int | UnsetType = UNSET
    next_page_token: str | UnsetType = UNSET


class Candidate(Result, frozen=True):
    node: Any
    reasons: list[str]


class Selected(Result, frozen=True):
    candidates: list[Candidate]
    relaxed: list[str]
    reasons: list[dict[str, Any]]
    freshness: Freshness


class FacetCounts(Result, frozen=True):
    total: int
    facets: dict[str, dict[str, int]]


class Subscribed(Result, frozen=True):
    subscription: int
    mode: Literal["snapshot", "difference"]
    freshness: Freshness


class NodeCounts(Result, frozen=True):
    live: int
    suspect: int
    unknown: int
    expired: int
    total: int


class PeerCounts(Result, frozen=True):
    routing_table: int
    active: int
    passive: int


class StoreSize(Result, frozen=True):
    bytes: int


class Info(Result, frozen=True):
    registry_id: str
    epoch: int
    version: str
    network: str
    time_ms: int
    uptime_s: float
    nodes: NodeCounts
    cells: int
    peers: PeerCounts
    synced: bool
    store: StoreSize
    statistics: dict[str, Any]


class Peer(Result, frozen=True):
    registry_id: str
    endpoint: str
    rpc: str
    role: Literal["active", "passive", "known"]
    direction: Literal["inbound", "outbound"] | UnsetType = UNSET
    round_trip_time_s: float | UnsetType = UNSET
    heartbeat_age_s: float | UnsetType = UNSET
    region: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class Peers(Result, frozen=True):
    peers: list[Peer]


class Closest(Result, frozen=True):
    registry_id: str
    endpoint: str
    rpc: str


class LookedUp(Result, frozen=True):
    closest: list[Closest]
    hops: int
    asked: int
    found: bool
