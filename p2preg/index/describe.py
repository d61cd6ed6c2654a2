"""A filter as text for people, in RPC units: one predicate reads as on the command line (`load<0.7`, `!region=eu`),
and what the command line cannot say is put in words (`(region=eu or country=DE)`)."""

from __future__ import annotations

from p2preg.index.schema import Value, field_type, rpc
from p2preg.index.terms import And, Compare, Eq, Exists, Filter, Has, In, Ne, Not, Or, Scalar, Within

_SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SPECIAL = frozenset(' "\\,=!<>')


def describe(filter: Filter) -> str:
    """The text of `filter`. For a leaf that some record can match, `text.parse_text` reads it back."""
    match filter:
        case And(()):
            return "anything"
        case Or(()):
            return "nothing"
        case And(terms):
            return f"({' '.join(map(describe, terms))})"
        case Or(terms):
            return f"({' or '.join(map(describe, terms))})"
        case Not(term):
            return f"!{describe(term)}"
        case Eq(field, value) | Has(field, value):
            return f"{_quoted(field)}={_scalar(field, value)}"
        case Ne(field, value):
            return f"{_quoted(field)}!={_scalar(field, value)}"
        case In(field, values):
            return f"{_quoted(field)}={','.join(_scalar(field, value) for value in values)}"
        case Compare(field, operator, bound):
            return f"{_quoted(field)}{_SIGNS[operator]}{_scalar(field, bound)}"
        case Exists(field):
            return _quoted(field)
        case Within(latitude, longitude, metres):
            return f"within={rpc(latitude, 1_000_000)},{rpc(longitude, 1_000_000)},{rpc(metres, 1_000)}"


def in_rpc_units(field: str, value: Value) -> object:
    """A replicated value as RPC shows it: a number scaled, a list as a list, text as it is."""
    if isinstance(value, int):
        known = field_type(field)
        return rpc(value, known.scale if known else 1)
    return list(value) if isinstance(value, tuple) else value


def _scalar(field: str, value: Scalar) -> str:
    return str(in_rpc_units(field, value)) if isinstance(value, int) else _quoted(value)


def _quoted(text: str) -> str:
    """Text as the command line reads it back."""
    if text and text.isprintable() and not _SPECIAL.intersection(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
