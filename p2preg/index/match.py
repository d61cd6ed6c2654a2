"""Does one record match a filter, and predicate by predicate, why.

A record is what `schema.clean` or `Index.fields_of` gives: replicated units, right types. The index must answer as
`matches` does for each record; a property test compares the two.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from p2preg.index.describe import describe, in_rpc_units
from p2preg.index.geo import haversine, haversine_limit, metres
from p2preg.index.schema import Value
from p2preg.index.terms import And, Compare, Eq, Exists, Filter, Has, In, Leaf, Ne, Not, Or, Within

Fields = Mapping[str, Value]

COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One predicate against one record. `value` and `wanted` are in RPC units; `value` is None when missing."""

    predicate: str
    passed: bool
    value: object
    wanted: object


def matches(filter: Filter, fields: Fields) -> bool:
    """Whether the record matches. A missing field makes every leaf but `Exists` false."""
    match filter:
        case And(terms):
            return all(matches(term, fields) for term in terms)
        case Or(terms):
            return any(matches(term, fields) for term in terms)
        case Not(term):
            return not matches(term, fields)
        case Exists(field):
            return field in fields
        case Within():
            return _within(filter, fields)
    value = fields.get(filter.field)
    if value is None:
        return False
    match filter:
        case Eq(_, wanted):
            return value == wanted
        case Ne(_, unwanted):
            return value != unwanted
        case In(_, values):
            return value in values
        case Has(_, wanted):
            return isinstance(value, tuple) and wanted in value
        case Compare(_, comparison, bound):
            return isinstance(value, int) and COMPARISONS[comparison](value, bound)


def explain(filter: Filter, fields: Fields) -> list[CheckResult]:
    """One result per leaf, in the filter's order. A leaf under an odd number of `not` is shown negated, so `passed`
    always says what the record had to satisfy; under an `or` one that failed need not have mattered."""
    return _explain(filter, fields, negated=False)


def _explain(filter: Filter, fields: Fields, *, negated: bool) -> list[CheckResult]:
    match filter:
        case And(terms) | Or(terms) if terms:
            return [check for term in terms for check in _explain(term, fields, negated=negated)]
        case Not(term):
            return _explain(term, fields, negated=not negated)
    predicate = f"!{describe(filter)}" if negated else describe(filter)
    passed = matches(filter, fields) != negated
    if isinstance(filter, And | Or):
        return [CheckResult(predicate, passed, None, None)]
    return [CheckResult(predicate, passed, _value(filter, fields), _wanted(filter))]


def _value(leaf: Leaf, fields: Fields) -> object:
    if isinstance(leaf, Within):
        distance = _haversine(leaf, fields)
        return None if distance is None else round(metres(distance) / 1_000, 3)
    value = fields.get(leaf.field)
    return None if value is None else in_rpc_units(leaf.field, value)


def _wanted(leaf: Leaf) -> object:
    match leaf:
        case Within():
            return leaf.metres / 1_000
        case Exists():
            return "any value"
        case In(field, values):
            return [in_rpc_units(field, value) for value in values]
        case Compare(field, _, bound):
            return in_rpc_units(field, bound)
    return in_rpc_units(leaf.field, leaf.value)


def _within(leaf: Within, fields: Fields) -> bool:
    distance = _haversine(leaf, fields)
    return distance is not None and distance <= haversine_limit(leaf.metres)


def _haversine(leaf: Within, fields: Fields) -> float | None:
    latitude, longitude = fields.get("latitude"), fields.get("longitude")
    if not isinstance(latitude, int) or not isinstance(longitude, int):
        return None
    return haversine(leaf.latitude, leaf.longitude, latitude, longitude)
