"""The filter of the RPC contract, a JSON tree, into typed terms in replicated units.

Total: any value that a JSON parser can give becomes a filter or `Refused` -32004, with `data.path` pointing into the
tree (`$.and[1].eq[0]`). What a filter means stands in `terms`, which this module re-exports.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Literal

from p2preg.base.errors import Refused
from p2preg.base.limits import FILTER_DEPTH_MAX, FILTER_LEAVES_MAX, FILTER_VALUES_MAX
from p2preg.index.geo import HALF_CIRCUMFERENCE_M
from p2preg.index.schema import NUMBER_MAX, FieldType, Kind, field_type, is_id, replicated
from p2preg.index.terms import (
    ALLOCATABLE,
    LIVE,
    And,
    Compare,
    Eq,
    Exists,
    Filter,
    Has,
    In,
    Leaf,
    Ne,
    Not,
    Operator,
    Or,
    Scalar,
    Within,
    canonical,
    conjuncts,
    fields_used,
)

__all__ = [
    "ALLOCATABLE",
    "LIVE",
    "And",
    "Compare",
    "Eq",
    "Exists",
    "Filter",
    "Has",
    "In",
    "Ne",
    "Not",
    "Or",
    "Within",
    "canonical",
    "conjuncts",
    "fields_used",
    "parse_filter",
]

_OPERATORS = "one of and, or, not, eq, ne, in, has, lt, le, gt, ge, exists, within"

Rounding = Literal["exact", "down", "up"]


def parse_filter(tree: object) -> Filter:
    """The filter that `tree` says. Raises `Refused` -32004: `filter.invalid`, or `filter.too_complex` beyond
    64 leaves or depth 8."""
    return _Parser().filter(tree, "$", 1)


def invalid(path: str, message: str) -> Refused:
    return Refused(-32004, "filter.invalid", f"{path}: {message}", path=path)


def too_complex(path: str, message: str) -> Refused:
    return Refused(-32004, "filter.too_complex", f"{path}: {message}", path=path)


class _Parser:
    """Counts the leaves of one tree on its way down."""

    def __init__(self) -> None:
        self._leaves = 0

    def filter(self, tree: object, path: str, depth: int) -> Filter:
        if depth > FILTER_DEPTH_MAX:
            raise too_complex(path, f"a depth of at most {FILTER_DEPTH_MAX} is allowed")
        if not isinstance(tree, dict) or len(tree) != 1:
            raise invalid(path, f"an object with one operator was expected, got {_shown(tree)}")
        operator, operand = next(iter(tree.items()))
        below = f"{path}.{operator}"
        match operator:
            case "and" | "or":
                terms = self._terms(operand, below, depth)
                return And(terms) if operator == "and" else Or(terms)
            case "not":
                return Not(self.filter(operand, below, depth + 1))
        self._count(path)
        if operator not in _LEAVES:
            raise invalid(path, f"{_OPERATORS} was expected, got {_shown(operator)}")
        return _LEAVES[operator](operand, below)

    def _terms(self, operand: object, path: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(operand, list):
            raise invalid(path, f"a list of filters was expected, got {_shown(operand)}")
        if not operand:
            self._count(path)
        return tuple(self.filter(item, f"{path}[{at}]", depth + 1) for at, item in enumerate(operand))

    def _count(self, path: str) -> None:
        self._leaves += 1
        if self._leaves > FILTER_LEAVES_MAX:
            raise too_complex(path, f"at most {FILTER_LEAVES_MAX} leaves are allowed")


def _eq(operand: object, path: str) -> Leaf:
    field, value = _scalar_operand(operand, path)
    return Eq(field, value)


def _ne(operand: object, path: str) -> Leaf:
    field, value = _scalar_operand(operand, path)
    return Ne(field, value)


def _in(operand: object, path: str) -> Leaf:
    field, known, values = _pair(operand, path)
    _refuse_list(field, known, path)
    if not isinstance(values, list):
        raise invalid(f"{path}[1]", f"a list of values was expected, got {_shown(values)}")
    if len(values) > FILTER_VALUES_MAX:
        raise invalid(f"{path}[1]", f"at most {FILTER_VALUES_MAX} values are allowed, got {len(values)}")
    scalars = dict.fromkeys(_scalar(value, known, f"{path}[1][{at}]") for at, value in enumerate(values))
    if len(scalars) == 1:
        return Eq(field, next(iter(scalars)))
    return In(field, tuple(sorted(scalars, key=lambda scalar: (isinstance(scalar, str), scalar))))


def _has(operand: object, path: str) -> Leaf:
    field, known, value = _pair(operand, path)
    if known.kind is not Kind.LIST:
        raise invalid(f"{path}[0]", f"a list field was expected, but {field} is {known.kind.value}; use eq or in")
    return Has(field, _text(value, f"{path}[1]"))


def _compare(operator: Operator, rounding: Rounding) -> Callable[[object, str], Leaf]:
    def parse(operand: object, path: str) -> Leaf:
        field, known, value = _pair(operand, path)
        if known.kind is not Kind.NUMBER:
            raise invalid(f"{path}[0]", f"a number field was expected, but {field} is {known.kind.value}")
        return Compare(field, operator, _number(value, known.scale, f"{path}[1]", rounding))

    return parse


def _exists(operand: object, path: str) -> Leaf:
    return Exists(_field(operand, path)[0])


def _within(operand: object, path: str) -> Leaf:
    names = ("latitude", "longitude", "km")
    if not isinstance(operand, dict):
        raise invalid(path, f"an object with latitude, longitude and km was expected, got {_shown(operand)}")
    for name in operand:
        if name not in names:
            raise invalid(f"{path}.{json.dumps(name)[1:-1][:40]}", "only latitude, longitude and km were expected")
    for name in names:
        if name not in operand:
            raise invalid(path, f"{name} is missing")
    latitude = _degrees(operand["latitude"], 90, f"{path}.latitude")
    longitude = _degrees(operand["longitude"], 180, f"{path}.longitude")
    metres = _number(operand["km"], 1_000, f"{path}.km")
    if metres < 0:
        raise invalid(f"{path}.km", "a distance of 0 or more was expected")
    return Within(latitude, longitude, min(metres, HALF_CIRCUMFERENCE_M))


_LEAVES: dict[str, Callable[[object, str], Leaf]] = {
    "eq": _eq,
    "ne": _ne,
    "in": _in,
    "has": _has,
    "lt": _compare("lt", "up"),
    "le": _compare("le", "down"),
    "gt": _compare("gt", "down"),
    "ge": _compare("ge", "up"),
    "exists": _exists,
    "within": _within,
}


def _pair(operand: object, path: str) -> tuple[str, FieldType, object]:
    if not isinstance(operand, list) or len(operand) != 2:
        raise invalid(path, f"[field, value] was expected, got {_shown(operand)}")
    field, known = _field(operand[0], f"{path}[0]")
    return field, known, operand[1]


def _scalar_operand(operand: object, path: str) -> tuple[str, Scalar]:
    field, known, value = _pair(operand, path)
    _refuse_list(field, known, path)
    return field, _scalar(value, known, f"{path}[1]")


def _refuse_list(field: str, known: FieldType, path: str) -> None:
    if known.kind is Kind.LIST:
        raise invalid(f"{path}[0]", f"a field with one value was expected, but {field} is a list of text; use has")


def _field(value: object, path: str) -> tuple[str, FieldType]:
    known = field_type(value) if isinstance(value, str) else None
    if known is None:
        raise invalid(path, f"the name of a field was expected, got {_shown(value)}")
    return _text(value, path), known


def _scalar(value: object, known: FieldType, path: str) -> Scalar:
    if known.kind is Kind.NUMBER:
        return _number(value, known.scale, path)
    if known.kind is Kind.ID and not is_id(value):
        raise invalid(path, f"{known.kind.value} was expected, got {_shown(value)}")
    return _text(value, path)


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(path, f"text was expected, got {_shown(value)}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise invalid(path, "text that is UTF-8 was expected, got half of a surrogate pair")
    return value


def _degrees(value: object, most: int, path: str) -> int:
    degrees = _number(value, 1_000_000, path)
    if abs(degrees) > most * 1_000_000:
        raise invalid(path, f"degrees from -{most} to {most} were expected, got {_shown(value)}")
    return degrees


def _number(value: object, scale: int, path: str, rounding: Rounding = "exact") -> int:
    """`value` in replicated units. What was rounded when it was replicated is rounded the same way here, so that a
    number equals itself; a field of whole numbers was not, so a bound between two is moved to the one that leaves the
    comparison as it was (less than 2.5 is less than 3)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == math.inf:
        raise invalid(path, f"a finite number was expected, got {_shown(value)}")
    if scale > 1 or isinstance(value, int):
        number = replicated(value, scale)
    elif rounding == "exact" and value != int(value):
        raise invalid(path, f"a whole number was expected, got {_shown(value)}")
    else:
        number = math.ceil(value) if rounding == "up" else math.floor(value)
    # No record holds a number beyond NUMBER_MAX, so a bound further out says the same as the nearest beyond.
    return max(-NUMBER_MAX - 1, min(NUMBER_MAX + 1, number))


def _shown(value: object) -> str:
    """A value in an error message, never long."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() if abs(value) > 2**64:
            return "a number beyond 64 bits"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {json.dumps(value[:40])}"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object with {len(value)} keys"
    return type(value).__name__
