"""What a Media Node says of itself: the attributes of docs/rpc.md, and their replicated form, the body of an advert.

The two differ in places only: degrees against integer micro-degrees, hex against bytes. This module is that door,
in both directions, and the judge of a signed advert's body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from p2preg.registry.units import HexId, from_micro, to_micro

Kind = Literal["sfu", "mcu", "relay", "recorder", "turn", "probe"]
Purpose = Literal["signalling", "control", "whip", "whep", "cascade", "turn", "metrics"]
NetworkType = Literal["datacenter", "residential", "mobile", "edu"]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]  # what every JSON implementation can hold exactly
Mime = Annotated[str, Meta(pattern=r"^(audio|video|text|application)/[A-Za-z0-9.+_-]{1,48}$")]


class Endpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the node serves, and what for."""

    purpose: Purpose
    url: Annotated[str, Meta(min_length=3, max_length=256, pattern=r"^[a-z][a-z0-9+.-]*:\S+$")]


class Software(Struct, frozen=True, forbid_unknown_fields=True):
    """What runs there."""

    name: Name
    version: Name


class Capacity(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The node's own limits. Rates in bits per second, memory in bytes."""

    max_participants: Count | UnsetType = UNSET
    max_rooms: Count | UnsetType = UNSET
    uplink_bps: Count | UnsetType = UNSET
    downlink_bps: Count | UnsetType = UNSET
    cores: Count | UnsetType = UNSET
    memory_bytes: Count | UnsetType = UNSET


class _Common(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    kind: Kind
    endpoints: Annotated[list[Endpoint], Meta(min_length=1, max_length=16)]
    codecs: Annotated[list[Mime], Meta(max_length=32)]
    region: Name | UnsetType = UNSET
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] | UnsetType = UNSET
    city: Name | UnsetType = UNSET
    asn: Annotated[int, Meta(ge=0, le=2**32 - 1)] | UnsetType = UNSET
    network_type: NetworkType | UnsetType = UNSET
    software: Software | UnsetType = UNSET
    features: Annotated[list[Name], Meta(max_length=64)] | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET
    labels: (
        Annotated[
            dict[Annotated[str, Meta(min_length=1, max_length=63)], Annotated[str, Meta(max_length=128)]],
            Meta(max_length=32),
        ]
        | UnsetType
    ) = UNSET


class Attributes(_Common, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """As clients write them: degrees as numbers, the operator's id as hex."""

    latitude: Annotated[float, Meta(ge=-90, le=90)] | UnsetType = UNSET
    longitude: Annotated[float, Meta(ge=-180, le=180)] | UnsetType = UNSET
    operator: HexId | UnsetType = UNSET


class AdvertBody(_Common, frozen=True, forbid_unknown_fields=False, omit_defaults=True, kw_only=True):
    """As adverts carry them: integer micro-degrees, the operator's id as bytes. A newer release may add fields."""

    latitude_udeg: Annotated[int, Meta(ge=-90_000_000, le=90_000_000)] | UnsetType = UNSET
    longitude_udeg: Annotated[int, Meta(ge=-180_000_000, le=180_000_000)] | UnsetType = UNSET
    operator: Annotated[bytes, Meta(min_length=32, max_length=32)] | UnsetType = UNSET


def body_of(attributes: Attributes) -> dict[str, Any]:
    """The advert body that says what `attributes` say."""
    body: dict[str, Any] = msgspec.to_builtins(attributes)
    for name in ("latitude", "longitude"):
        if name in body:
            body[f"{name}_udeg"] = to_micro(body.pop(name))
    if "operator" in body:
        body["operator"] = bytes.fromhex(body["operator"])
    return body


def read_body(body: object) -> AdvertBody:
    """Judge an advert's body; `msgspec.ValidationError` names what is wrong and where."""
    return msgspec.convert(body, AdvertBody)


def known_of(body: object) -> dict[str, Any] | None:
    """What of an advert's body this release knows; None when it cannot be read: replicas keep and relay it."""
    try:
        known: dict[str, Any] = msgspec.to_builtins(read_body(body), builtin_types=(bytes,))
    except msgspec.ValidationError:
        return None
    return known


def shown_of(known: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes as clients read them, from what `known_of` gave."""
    shown = dict(known)
    for name in ("latitude", "longitude"):
        if f"{name}_udeg" in shown:
            shown[name] = from_micro(shown.pop(f"{name}_udeg"))
    if "operator" in shown:
        shown["operator"] = shown["operator"].hex()
    return shown


def fields_of(known: Mapping[str, Any]) -> dict[str, Any]:
    """The flat fields that the index holds of what `known_of` gave: dotted names, replicated units."""
    fields: dict[str, Any] = {}
    for name, value in known.items():
        if name == "endpoints":
            fields["endpoints.purpose"] = list(dict.fromkeys(endpoint["purpose"] for endpoint in value))
            fields["endpoints.url"] = [endpoint["url"] for endpoint in value]
        elif isinstance(value, dict):
            fields.update({f"{name}.{inner}": item for inner, item in value.items()})
        elif isinstance(value, bytes):
            fields[name] = value.hex()
        else:
            fields[name.removesuffix("_udeg")] = value
    return fields
