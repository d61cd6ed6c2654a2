"""A filter as values: what it says, its canonical bytes, the fields that it looks at.

All numbers are in replicated units. A missing field makes every leaf but `Exists` false, `Ne` included; `Not` then
negates. An empty `And` is true, an empty `Or` false.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

Scalar = str | int
Operator = Literal["lt", "le", "gt", "ge"]


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: Filter


@dataclass(frozen=True, slots=True)
class Eq:
    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Ne:
    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """`values` are sorted and without repetition."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A list field contains `value`."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Compare:
    """A number field is less than (or equal to), or greater than (or equal to), `bound`."""

    field: str
    operator: Operator
    bound: int


@dataclass(frozen=True, slots=True)
class Exists:
    field: str


@dataclass(frozen=True, slots=True)
class Within:
    """At most `metres` along the great circle from a place in micro-degrees."""

    latitude: int
    longitude: int
    metres: int


Leaf = Eq | Ne | In | Has | Compare | Exists | Within
Filter = And | Or | Not | Leaf

LIVE: Filter = Eq("contact", "live")
ALLOCATABLE: Filter = And((Eq("state", "serving"), LIVE))


def conjuncts(filter: Filter | None) -> tuple[Filter, ...]:
    """The predicates that all must hold: nested `And`s taken apart, anything else as it is, none for None."""
    if filter is None:
        return ()
    if isinstance(filter, And):
        return tuple(part for term in filter.terms for part in conjuncts(term))
    return (filter,)


def fields_used(filter: Filter) -> tuple[str, ...]:
    """The names of the fields on which `filter` depends, sorted."""
    return tuple(sorted(dict.fromkeys(_fields(filter))))


def _fields(filter: Filter) -> list[str]:
    match filter:
        case And(terms) | Or(terms):
            return [field for term in terms for field in _fields(term)]
        case Not(term):
            return _fields(term)
        case Within():
            return ["latitude", "longitude"]
    return [filter.field]


def canonical(filter: Filter) -> bytes:
    """One text for filters that differ only in the order, nesting or repetition of their parts: a key for page tokens
    and for sharing work between subscriptions. Not every pair of equivalent filters gets the same text."""
    return json.dumps(_canonical(filter), ensure_ascii=True, separators=(",", ":")).encode()


def _canonical(filter: Filter) -> list[object]:
    match filter:
        case And(terms):
            return _canonical_set("and", conjuncts(And(terms)))
        case Or(terms):
            return _canonical_set("or", terms)
        case Not(term):
            return ["not", _canonical(term)]
        case Eq(field, value):
            return ["eq", field, value]
        case Ne(field, value):
            return ["ne", field, value]
        case In(field, values):
            return ["in", field, *values]
        case Has(field, value):
            return ["has", field, value]
        case Compare(field, operator, bound):
            return [operator, field, bound]
        case Exists(field):
            return ["exists", field]
        case Within(latitude, longitude, metres):
            return ["within", latitude, longitude, metres]


def _canonical_set(name: str, terms: tuple[Filter, ...]) -> list[object]:
    parts = {json.dumps(part): part for part in map(_canonical, terms)}
    if len(parts) == 1:
        return next(iter(parts.values()))
    return [name, *(parts[text] for text in sorted(parts))]
