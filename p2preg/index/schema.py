"""The fields that can be filtered, sorted and counted: their types, and the scale between RPC and replicated units.

The names are those of the RPC contract, dotted inside objects; the values in the index are replicated ones (integers,
text, lists of text). Nothing here knows where a record comes from.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum

from p2preg.base.ids import ID_BYTES
from p2preg.base.limits import INDEXED_LABELS_MAX, INDEXED_LIST_MAX

Value = int | str | tuple[str, ...]

# Beyond this a number counts as missing. CBOR carries 64 bits without a sign; a column holds 63, and needs one value
# for "missing" that no number and no negated number equals.
NUMBER_MAX = 2**62


class Kind(Enum):
    """What values of a field are; the text is for error messages."""

    TEXT = "text"
    LIST = "a list of text"
    NUMBER = "a number"
    ID = "an id of 64 lowercase hex digits"


@dataclass(frozen=True, slots=True)
class FieldType:
    """`scale`: replicated integer = RPC number x scale. `countable`: few enough values to be asked for as facets."""

    kind: Kind
    scale: int = 1
    countable: bool = True


_TEXT = FieldType(Kind.TEXT)
_LIST = FieldType(Kind.LIST)
_ID = FieldType(Kind.ID)
_NUMBER = FieldType(Kind.NUMBER, countable=False)
_MILLIONTHS = FieldType(Kind.NUMBER, scale=1_000_000, countable=False)

LABELS = "labels."

FIELDS: Mapping[str, FieldType] = {
    "node_id": FieldType(Kind.ID, countable=False),
    "home": _ID,
    "operator": _ID,
    "kind": _TEXT,
    "region": _TEXT,
    "country": _TEXT,
    "city": _TEXT,
    "latitude": _MILLIONTHS,
    "longitude": _MILLIONTHS,
    "asn": FieldType(Kind.NUMBER),  # a number that names something
    "network_type": _TEXT,
    "software.name": _TEXT,
    "software.version": _TEXT,
    "codecs": _LIST,
    "features": _LIST,
    "endpoints.purpose": _LIST,
    "endpoints.url": _LIST,
    "capacity.max_participants": _NUMBER,
    "capacity.max_rooms": _NUMBER,
    "capacity.uplink_bps": _NUMBER,
    "capacity.downlink_bps": _NUMBER,
    "capacity.cores": _NUMBER,
    "capacity.memory_bytes": _NUMBER,
    "load": _MILLIONTHS,
    "state": _TEXT,
    "contact": _TEXT,
    "attested_by": _TEXT,
    "qos.score": FieldType(Kind.NUMBER, scale=1_000, countable=False),
    "qos.round_trip_time_s": _MILLIONTHS,
    "qos.fraction_lost": _MILLIONTHS,
    "qos.bitrate_bps": _NUMBER,
}


def field_type(name: str) -> FieldType | None:
    """The type of field `name`; None when there is no such field. Any `labels.<key>` is text."""
    known = FIELDS.get(name)
    if known is None and name.startswith(LABELS) and len(name) > len(LABELS):
        return _TEXT
    return known


def replicated(value: int | float, scale: int) -> int:
    """`value` x `scale` as an integer, half to even. `value` is finite.

    A float stands for the shortest decimal that reads as it, which is what its author wrote: 0.0000025 degrees are
    2.5 micro-degrees, although the binary fraction is a little off.
    """
    if isinstance(value, int):
        return value * scale
    return int((Decimal(repr(value)) * scale).to_integral_value(ROUND_HALF_EVEN))


def rpc(value: int, scale: int) -> int | float:
    """The RPC number for a replicated one: `replicated(rpc(value, scale), scale) == value` below 10**15, since a double
    carries 15 decimal digits. No field that is scaled comes near."""
    return value if scale == 1 else value / scale


def is_id(value: object) -> bool:
    """Whether `value` is an id as RPC writes it."""
    return isinstance(value, str) and len(value) == 2 * ID_BYTES and not value.strip(string.digits + "abcdef")


def clean(fields: Mapping[str, object]) -> dict[str, Value]:
    """What of a flattened record is indexed. A name or value that the table above does not allow is left out, and so
    counts as missing: a newer release may know more fields, and a self-signed body may hold anything."""
    kept: dict[str, Value] = {}
    labels = 0
    for name in sorted(fields):
        if name.startswith(LABELS):
            labels += 1
            if labels > INDEXED_LABELS_MAX:
                continue
        value = _clean_value(field_type(name), fields[name])
        if value is not None and name != "node_id":
            kept[sys.intern(name)] = value
    return kept


def _clean_value(known: FieldType | None, value: object) -> Value | None:
    kind = None if known is None else known.kind
    if isinstance(value, str):
        return sys.intern(value) if kind is Kind.TEXT or (kind is Kind.ID and is_id(value)) else None
    if isinstance(value, int):
        return value if kind is Kind.NUMBER and not isinstance(value, bool) and abs(value) <= NUMBER_MAX else None
    if isinstance(value, list | tuple) and kind is Kind.LIST:
        texts = dict.fromkeys(item for item in value if isinstance(item, str))
        return tuple(sys.intern(text) for text in list(texts)[:INDEXED_LIST_MAX])
    return None
