"""A second reader of the canonical CBOR profile, in plain Python and strict from the first byte. Slow, and written from
RFC 8949 alone: what it and `p2preg.wire.cbor` judge differently is a bug in one of them."""

from __future__ import annotations

from p2preg.base.limits import CBOR_DEPTH_MAX

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP = range(6)  # major types; tags and simple values are not of the profile
SHORTEST_FROM = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}  # the least number that needs this length


class Refused(Exception):
    """The bytes are not the one encoding of a value of the profile."""


def read(data: bytes) -> object:
    """The value whose canonical encoding `data` is; `Refused` when there is none."""
    value, end = _item(data, 0, 0)
    if end != len(data):
        raise Refused("trailing bytes")
    return value


def _item(data: bytes, at: int, containers: int) -> tuple[object, int]:
    """The item that starts at `at` and lies in that many containers; and where it ends."""
    if containers > CBOR_DEPTH_MAX:
        raise Refused("too deep")
    major, number, at = _head(data, at)
    if major == UNSIGNED:
        return number, at
    if major == NEGATIVE:
        if number >= 1 << 63:
            raise Refused("beyond 64 bits")
        return -1 - number, at
    if major in (BYTES, TEXT):
        return _string(data, at, number, major)
    if major == ARRAY:
        items = []
        for _ in range(number):
            item, at = _item(data, at, containers + 1)
            items.append(item)
        return items, at
    if major == MAP:
        return _map(data, at, number, containers)
    raise Refused("a tag or a simple value")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    if at >= len(data):
        raise Refused("cut short")
    major, info = divmod(data[at], 32)
    if info < 24:
        return major, info, at + 1
    if info not in SHORTEST_FROM:
        raise Refused("a reserved or indefinite length")
    end = at + 1 + (1 << info - 24)
    number = int.from_bytes(data[at + 1 : end])
    if end > len(data) or number < SHORTEST_FROM[info]:
        raise Refused("cut short, or not the shortest form")
    return major, number, end


def _string(data: bytes, at: int, length: int, major: int) -> tuple[object, int]:
    if at + length > len(data):
        raise Refused("cut short")
    raw = data[at : at + length]
    if major == BYTES:
        return raw, at + length
    try:
        return raw.decode(), at + length
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None


def _map(data: bytes, at: int, length: int, containers: int) -> tuple[object, int]:
    """Keys must ascend bytewise as they are encoded (RFC 8949 section 4.2.1), which also rules out equal ones."""
    pairs: dict[object, object] = {}
    majors, last = set(), b""
    for _ in range(length):
        start = at
        key, at = _item(data, at, containers + 1)
        majors.add(data[start] // 32)
        if not majors <= {UNSIGNED} and not majors <= {TEXT}:
            raise Refused("keys of another or of mixed type")
        if data[start:at] <= last:
            raise Refused("keys out of order")
        last = data[start:at]
        pairs[key], at = _item(data, at, containers + 1)
    return pairs, at
