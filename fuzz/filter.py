"""Target: the filter of the RPC contract, as a JSON tree."""

from __future__ import annotations

import json

from fuzz.repair import repaired
from p2preg.base.errors import Refused
from p2preg.index.filter import canonical, conjuncts, fields_used, parse_filter
from p2preg.index.schema import field_type
from p2preg.wire import cbor

MESSAGE_CHARACTERS_MAX = 400


def one_input(data: bytes) -> None:
    """Any JSON value is a filter with a canonical text, or refused with -32004 and the path of what is wrong."""
    for tree in (json_value(data), cbor.decode(repaired(data))):
        try:
            filter = parse_filter(tree)
        except Refused as error:
            check_refusal(error)
            continue
        assert json.loads(canonical(filter))
        assert canonical(parse_filter(tree)) == canonical(filter)
        assert all(field_type(name) for name in fields_used(filter))
        conjuncts(filter)


def json_value(data: bytes) -> object:
    """What a lenient JSON parser makes of the bytes; the text itself where it is none."""
    text = data.decode(errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def check_refusal(error: Refused) -> None:
    assert error.code == -32004
    assert error.reason in ("filter.invalid", "filter.too_complex")
    assert isinstance(error.data["path"], str)
    assert len(error.message) <= MESSAGE_CHARACTERS_MAX, f"a message of {len(error.message)} characters"
    error.message.encode()
