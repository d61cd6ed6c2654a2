"""The canonical CBOR profile at its edges: each way to write one value twice, each cheap way to hurt a decoder."""

from __future__ import annotations

import json

import pytest

from p2preg.base.limits import CBOR_DEPTH_MAX, FRAME_BYTES_MAX
from p2preg.wire.cbor import INT_MAX, INT_MIN, NotCanonical, decode, encode


def head(major: int, number: int) -> bytes:
    """The shortest CBOR head, written out here so that the tests do not lean on the encoder they test."""
    if number < 24:
        return bytes([major << 5 | number])
    size, info = next((s, i) for s, i in ((1, 24), (2, 25), (4, 26), (8, 27)) if number < 1 << 8 * s)
    return bytes([major << 5 | info]) + number.to_bytes(size)


def refused(data: bytes) -> bool:
    try:
        decode(data)
    except NotCanonical:
        return True
    return False


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1bffffffffffffffff", INT_MAX),
        ("20", -1),
        ("3b7fffffffffffffff", INT_MIN),
        ("40", b""),
        ("60", ""),
        ("62c3a9", "é"),
        ("64f09f9880", "😀"),
        ("80", []),
        ("a0", {}),
        ("a2000101820203", {0: 1, 1: [2, 3]}),
        ("a217001818" + "00", {23: 0, 24: 0}),
        ("a361610061620062616100", {"a": 0, "b": 0, "aa": 0}),
    ],
)
def test_a_value_has_this_one_encoding(data: str, value: object) -> None:
    assert decode(bytes.fromhex(data)) == value
    assert encode(value).hex() == data


@pytest.mark.parametrize(
    "data",
    ["1800", "1817", "190000", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3800", "5800", "590001aa", "7800",
     "9800", "b800", "9b0000000000000000"],
)  # fmt: skip
def test_a_number_or_length_that_is_not_the_shortest_is_refused(data: str) -> None:
    assert refused(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    [
        "a201000000",  # unsigned integers out of order
        "a2181800" + "1700",
        "a2616200616100",  # text out of order
        "a262616100616200",  # longer before shorter
        "a200000000",  # one key twice
        "a2616100616100",
        "a200006000",  # integer beside text
        "a1f500",  # a boolean, which Python holds equal to 1
        "a20100f500",
        "a1f93c0000",  # the float 1.0, likewise
        "a12000",  # a negative integer
        "a14000",  # bytes
        "a18000",  # an array
        "a1a000",  # a map
        "a1f600",  # null
    ],
)
def test_a_map_with_other_keys_or_another_order_is_refused(data: str) -> None:
    assert refused(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    [
        "f4", "f5", "f6", "f7",  # false, true, null, undefined
        "e0", "f3", "f8ff", "f820", "f818", "f800", "fc", "fd", "fe", "ff",  # other simple values, reserved, break
        "f90000", "fa00000000", "fb3ff0000000000000", "f97e00", "fb7ff8000000000000",  # floats and NaN
        "5f4100ff", "7f6161ff", "9f00ff", "bf0000ff", "5fff", "9f", "df00",  # indefinite lengths
        "1c", "1d", "1e", "1f", "3c", "5c", "7d", "9e",  # reserved lengths
    ],
)  # fmt: skip
def test_what_is_no_part_of_the_profile_is_refused_also_inside(data: str) -> None:
    item = bytes.fromhex(data)
    assert refused(item)
    assert refused(b"\x81" + item)
    assert refused(b"\xa1\x00" + item)


@pytest.mark.parametrize("data", ["3b8000000000000000", "3bffffffffffffffff"])
def test_an_integer_beyond_64_bits_is_refused(data: str) -> None:
    assert refused(bytes.fromhex(data))


def test_nothing_and_trailing_bytes_are_refused() -> None:
    assert refused(b"")
    assert refused(b"\x00\x00")
    assert refused(encode([1]) + b"\xff")


def test_every_cut_of_a_value_is_refused() -> None:
    data = encode({0: [1, -500, b"bytes" * 9], 1: "text" * 9, 70_000: {"k": 2**40}})
    assert decode(data)
    assert all(refused(data[:n]) for n in range(len(data)))


@pytest.mark.parametrize("text", ["61ff", "62c328", "63eda080", "63edbfbf", "64f4908080", "62c080", "61c3"])
def test_text_that_is_not_utf_8_is_refused_surrogates_among_it(text: str) -> None:
    assert refused(bytes.fromhex(text))


def test_no_tag_number_is_accepted() -> None:
    """cbor2 decodes some tags by itself, and each release may add one: so all of them are tried."""
    contents = (b"\x00", b"\x41\x00", b"\x61a", b"\x82\x00\x01", b"\xa0")
    numbers = [*range(70_001), 2**31, 2**32 - 1, 2**32, 2**48, 2**63, 2**64 - 1]
    assert [n for n in numbers for content in contents if not refused(head(6, n) + content)] == []


def test_no_tag_decoder_is_run() -> None:
    """Each of these costs seconds, memory or worse where cbor2's own decoder gets to see it."""
    decimal = b"\xc4\x82" + head(0, 999_999_999) + b"\x01"
    regex = b"\xd8\x23" + head(3, 30) + b"(a+)+(a+)+(a+)+(a+)+(a+)+(a+)+"
    for tagged in (decimal, b"\x81" + decimal, b"\xa1" + decimal + b"\x00", regex):
        with pytest.raises(NotCanonical, match="error decoding"):
            decode(tagged)


@pytest.mark.parametrize("major", [2, 3, 4, 5])
@pytest.mark.parametrize("length", [2**16, 2**31 - 1, 2**32, 2**62, 2**64 - 1])
def test_a_length_that_is_only_announced_allocates_nothing(major: int, length: int) -> None:
    assert refused(head(major, length))
    assert refused(b"\x81" * 5 + head(major, length) + b"\x00")


@pytest.mark.parametrize("container", [b"\x81", b"\xa1\x00"])
@pytest.mark.parametrize("innermost", [b"\x00", b"\x40", b"\x80", b"\xa0"])
def test_nothing_lies_in_more_containers_than_the_limit(container: bytes, innermost: bytes) -> None:
    assert not refused(container * CBOR_DEPTH_MAX + innermost)
    assert refused(container * (CBOR_DEPTH_MAX + 1) + innermost)


@pytest.mark.parametrize("container", [b"\x81", b"\xa1", b"\xa1\x00", b"\xa1\x00\x81"])
def test_a_frame_of_opened_containers_is_refused(container: bytes) -> None:
    assert refused(container * (FRAME_BYTES_MAX // len(container)))


def test_more_bytes_than_the_caller_allows_are_not_looked_at() -> None:
    assert decode(b"\x00", bytes_max=1) == 0
    with pytest.raises(NotCanonical, match="at most 1 bytes are read here, got 2"):
        decode(b"\x18\x18", bytes_max=1)
    assert refused(head(2, FRAME_BYTES_MAX) + bytes(FRAME_BYTES_MAX))


def test_a_frame_of_colliding_integer_keys_is_read() -> None:
    """CPython hashes an integer to itself modulo 2^61 - 1. Within 64 bits that gives eight equal hashes at most, so
    the flood that needs bignums stays away; measured at 4 ms a frame, as for keys that do not collide."""
    prime = 2**61 - 1
    keys = sorted(low + multiple * prime for low in range(800) for multiple in range(8))
    data = head(5, len(keys)) + b"".join(head(0, key) + b"\x00" for key in keys)
    assert len(data) < FRAME_BYTES_MAX
    assert list(decode(data)) == keys


@pytest.mark.parametrize("empty", [b"\x40", b"\x60", b"\x80", b"\xa0"])
def test_a_frame_of_empty_items_is_read(empty: bytes) -> None:
    """The most objects that one frame can make: measured at 5 MB and 70 ms for maps, the worst of them."""
    count = FRAME_BYTES_MAX - 3
    assert len(decode(head(4, count) + empty * count)) == count


def test_an_error_quotes_little_of_what_came_and_no_control_characters() -> None:
    key = "\n\x1b[31m" + "k" * 20_000
    twice = head(3, len(key)) + key.encode() + b"\x00"
    with pytest.raises(NotCanonical) as caught:
        decode(b"\xa2" + twice * 2)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_json_is_not_cbor() -> None:
    assert refused(json.dumps({"jsonrpc": "2.0"}).encode())
