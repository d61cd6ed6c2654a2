"""The canonical CBOR profile: RFC 8949 section 4.2.1, narrowed.

Values are integers within 64 bits, byte strings, UTF-8 text, arrays, and maps whose keys are all unsigned integers or
all text; nothing lies in more than `CBOR_DEPTH_MAX` arrays and maps. No floats, booleans, null, tags, indefinite
lengths or duplicate keys. Bytes are accepted only if encoding what they decode to gives the same bytes, so one value
has one form and a hash of bytes is a hash of a value.

Among unsigned integers alone, and among text alone, the bytewise order of RFC 8949 is by length first, since a longer
key has a greater head: hence the rule on keys. They are sorted here, as cbor2 takes five times as long over it; all
else that cbor2 writes is the shortest form anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import cbor2

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import CBOR_DEPTH_MAX, FRAME_BYTES_MAX

Value = Any  # int | bytes | str | list | dict, nested; mypy cannot write the recursion without casts at each use

INT_MIN, INT_MAX = -(2**63), 2**64 - 1
_LEAVES = frozenset((int, bytes, str))

_NOT_CANONICAL = "the bytes are not the canonical encoding of the value they hold"


class NotCanonical(RemoteProtocolError):
    """Bytes that are no value of the profile, or not its one encoding."""


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("tags are not part of the profile")


class _EveryTagRefused(dict[int, Callable[..., NoReturn]]):
    """What cbor2 asks for a tag's decoder, before its own: a deny list would miss a tag that its next release adds."""

    def __missing__(self, tag: int) -> Callable[..., NoReturn]:
        return _refuse_tag


_NO_TAGS = _EveryTagRefused()


def encode(value: Value) -> bytes:
    """The one encoding of `value`. The caller vouches that it is of the profile."""
    return cbor2.dumps(_ordered(value))


def decode(data: bytes, *, bytes_max: int = FRAME_BYTES_MAX) -> Value:
    """The value of which `data` is the one encoding; `NotCanonical` for anything else, and no other exception."""
    if len(data) > bytes_max:
        raise NotCanonical(f"at most {bytes_max} bytes are read here, got {len(data)}")
    try:
        value = cbor2.loads(
            data,
            max_depth=CBOR_DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
            tag_hook=_refuse_tag,
        )
        _check(value)
        canonical = cbor2.dumps(value)
    except NotCanonical:
        raise
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise NotCanonical(f"canonical CBOR was expected: {str(error)[:100]!r}") from None  # it may quote a key
    if canonical != data:
        raise NotCanonical(_NOT_CANONICAL)
    return value


def decode_known(data: bytes) -> Value:
    """The value of bytes that `decode` has accepted, or `encode` has made, before: not judged again."""
    return cbor2.loads(data)


def _ordered(value: Value) -> Value:
    """The same value with the keys of every map in canonical order."""
    kind = type(value)
    if kind is dict:
        keys = sorted(value, key=_order) if len(value) > 1 else value
        return {key: item if type(item := value[key]) in _LEAVES else _ordered(item) for key in keys}
    if kind is list or kind is tuple:
        return [item if type(item) in _LEAVES else _ordered(item) for item in value]
    return value


def _order(key: int | str) -> tuple[int, int | str]:
    """UTF-8 sorts as its code points do, so only the length is of the bytes."""
    return (len(key.encode()), key) if type(key) is str else (0, key)


def _check(value: Value) -> None:
    """Raise `NotCanonical` unless `value` and everything in it is of the profile."""
    kind = type(value)
    if kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise NotCanonical("an integer is beyond 64 bits")
    elif kind is list:
        for item in value:
            _check(item)
    elif kind is dict:
        keys = {type(key) for key in value}
        if not (keys <= {str} or (keys <= {int} and all(0 <= key <= INT_MAX for key in value))):
            raise NotCanonical("a map's keys must be all text or all unsigned integers")
        if list(value) != sorted(value, key=_order):
            raise NotCanonical(_NOT_CANONICAL)
        for item in value.values():
            _check(item)
    elif kind is not bytes and kind is not str:
        raise NotCanonical(f"{kind.__name__} is not part of the profile")
