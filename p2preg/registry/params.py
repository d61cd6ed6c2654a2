"""What clients send: one struct a method, whose bounds and descriptions are also the OpenRPC document's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from p2preg.registry.attributes import Attributes
from p2preg.registry.limits import REASON_MAX
from p2preg.registry.load import LoadReport
from p2preg.registry.units import HexDigest, HexId, HexSignature, Nonce, UnixMs

Include = Annotated[
    Literal["allocatable", "live", "all"],
    Meta(description="allocatable: serving and live; live: any state; all: whatever is known"),
]
FilterTree = Annotated[
    dict[str, Any], Meta(description='a JSON tree: {"and": [{"eq": ["region", "eu-west"]}, {"lt": ["load", 0.7]}]}')
]
FieldNames = Annotated[
    list[Annotated[str, Meta(max_length=128)]],
    Meta(max_length=64, description="top-level or dotted names; node_id and version always come"),
]
Reason = Annotated[str, Meta(max_length=REASON_MAX)]
Base64Url = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$", max_length=8192)]


class Params(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The named parameters of a method; a name that is not among them is an error."""


class Nothing(Params, frozen=True, kw_only=True):
    """No parameters."""


class Hello(Params, frozen=True, kw_only=True):
    agent: Annotated[str, Meta(max_length=128, description="who is calling, for the operator's eyes")] | None = None
    client_nonce: Nonce | None = None


class Authenticate(Params, frozen=True, kw_only=True):
    role: Literal["node", "client"]
    public_key: HexId
    authority: Annotated[str, Meta(max_length=256, description="the host:port that was dialled, lower case")]
    seq: UnixMs
    signature: HexSignature


class NodeParams(Params, frozen=True, kw_only=True):
    node_id: HexId | None = None


class Register(NodeParams, frozen=True, kw_only=True):
    advert: Annotated[Base64Url, Meta(description="a COSE_Sign1 that the node made itself")] | None = None
    attributes: Attributes | None = None
    state: Literal["starting"] | None = None


class Renew(NodeParams, frozen=True, kw_only=True):
    seq: UnixMs
    signature: HexSignature
    load: LoadReport | None = None


class Load(LoadReport, frozen=True, forbid_unknown_fields=True, kw_only=True):
    node_id: HexId | None = None


class Drain(NodeParams, frozen=True, kw_only=True):
    level: Literal["cordoned", "draining", "stopping"]
    deadline_ms: UnixMs | None = None
    reason: Reason | None = None
    successors: Annotated[list[HexId], Meta(max_length=8)] = []


class Leave(NodeParams, frozen=True, kw_only=True):
    reason: Reason | None = None


class Explain(Params, frozen=True, kw_only=True):
    node_id: HexId
    filter: FilterTree | None = None


class Get(Params, frozen=True, kw_only=True):
    node_ids: Annotated[list[HexId], Meta(max_length=1000)]
    fields: FieldNames | None = None


class List(Params, frozen=True, kw_only=True):
    filter: FilterTree | None = None
    sort: Annotated[
        list[tuple[Annotated[str, Meta(max_length=128)], Literal["asc", "desc"]]], Meta(max_length=3)
    ] = []
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    page_token: Annotated[str, Meta(max_length=4096)] | None = None
    fields: FieldNames | None = None
    include: Include = "allocatable"


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class Probe(Struct, frozen=True, forbid_unknown_fields=True):
    node_id: HexId
    round_trip_time_s: Annotated[float, Meta(ge=0, le=60)]


class Near(Struct, frozen=True, forbid_unknown_fields=True):
    """A place, or round-trip times that the caller measured to some nodes; one of the two."""

    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    probes: Annotated[list[Probe], Meta(min_length=1, max_length=100)] | None = None


class Select(Params, frozen=True, kw_only=True):
    filter: FilterTree | None = None
    count: Annotated[int, Meta(ge=1, le=100)] = 1
    policy: Literal["random", "least_loaded", "two_choices", "nearest", "best_quality"] = "two_choices"
    near: Near | None = None
    exclude: Annotated[list[HexId], Meta(max_length=1000)] = []
    spread_by: Literal["operator", "region", "asn"] | None = None
    relax: Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=16)] = []
    seed: Annotated[int, Meta(ge=0, le=2**53 - 1)] | Annotated[str, Meta(max_length=128)] | None = None


class Facets(Params, frozen=True, kw_only=True):
    by: Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(min_length=1, max_length=16)]
    filter: FilterTree | None = None
    include: Include = "allocatable"


class Have(Struct, frozen=True, forbid_unknown_fields=True):
    """What the client still holds under the same filter and include."""

    count: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    digest: HexDigest


class Subscribe(Params, frozen=True, kw_only=True):
    filter: FilterTree | None = None
    fields: FieldNames | None = None
    include: Include = "allocatable"
    have: Have | None = None
    max_rate_ms: Annotated[int, Meta(ge=0, le=60_000, description="least time between flushes")] = 100


class Unsubscribe(Params, frozen=True, kw_only=True):
    subscription: Annotated[int, Meta(ge=0, le=2**53 - 1)]


class QosReport(Params, frozen=True, kw_only=True):
    node_id: HexId
    start_ms: UnixMs
    end_ms: UnixMs
    samples: Annotated[
        list[Any], Meta(max_length=256, description="W3C names; unknown ones are ignored, bad ones rejected by index")
    ]


class QosGet(Params, frozen=True, kw_only=True):
    node_id: HexId
    window_s: Annotated[int, Meta(ge=60, le=3600)] = 600


class QosExplain(Params, frozen=True, kw_only=True):
    node_id: HexId


class Lookup(Params, frozen=True, kw_only=True):
    target: HexId
