"""Target: the canonical CBOR profile, against a second reader."""

from __future__ import annotations

from fuzz import reference
from fuzz.repair import repaired
from p2preg.wire.cbor import NotCanonical, decode, encode

REFUSED = object()


def one_input(data: bytes) -> None:
    """Any bytes are judged as the reference reader judges them: the one encoding of the same value, or refused."""
    for candidate in (data, repaired(data)):
        ours = value_of(candidate)
        assert ours == reference_value_of(candidate)
        assert ours is REFUSED or encode(ours) == candidate
    assert ours is not REFUSED, "canonical by construction, and refused"


def value_of(data: bytes) -> object:
    try:
        return decode(data)
    except NotCanonical:
        return REFUSED


def reference_value_of(data: bytes) -> object:
    try:
        return reference.read(data)
    except reference.Refused:
        return REFUSED
