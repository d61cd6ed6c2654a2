"""What holds of the wire for every input: one value, one encoding; and nothing but our own error comes out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import FRAME_BYTES_MAX
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck, verify
from p2preg.wire.cbor import INT_MAX, INT_MIN, NotCanonical, decode, encode
from p2preg.wire.envelope import open_envelope, sign_envelope
from p2preg.wire.framing import FrameReader, FrameTooLarge, frame
from p2preg.wire.messages import NUMBERS, Message, decode_message, encode_message

quick = settings(max_examples=80, deadline=None)

scalars = st.integers(INT_MIN, INT_MAX) | st.binary(max_size=40) | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.integers(0, INT_MAX), inner, max_size=6)
        | st.dictionaries(st.text(max_size=20), inner, max_size=6)
    ),
    max_leaves=25,
)
mutations = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 2), st.integers(0, 255)), max_size=4)


def mutated(data: bytes, steps: list[tuple[int, int, int]]) -> bytes:
    """`data` with bytes replaced, put in or taken out."""
    out = bytearray(data)
    for place, how, byte in steps:
        at = place % (len(out) + 1)
        out[at : at + (how != 1)] = b"" if how == 2 else bytes([byte])
    return bytes(out)


# --- canonical CBOR -----------------------------------------------------------------------------------------


@quick
@given(values)
def test_a_value_survives_the_wire(value: object) -> None:
    assert decode(encode(value)) == value


@quick
@given(values)
def test_the_order_in_which_a_map_was_filled_does_not_show(value: object) -> None:
    def reversed_maps(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: reversed_maps(item[key]) for key in reversed(item)}
        return [reversed_maps(x) for x in item] if isinstance(item, list) else item

    assert encode(reversed_maps(value)) == encode(value)


@quick
@given(st.binary(max_size=300))
def test_any_bytes_are_the_encoding_of_their_value_or_not_canonical(data: bytes) -> None:
    try:
        value = decode(data)
    except NotCanonical:
        return
    assert encode(value) == data


@quick
@given(values, mutations)
def test_a_damaged_value_is_another_value_or_not_canonical(value: object, steps: list[tuple[int, int, int]]) -> None:
    data = mutated(encode(value), steps)
    try:
        assert encode(decode(data)) == data
    except NotCanonical:
        return


outside = st.floats() | st.booleans() | st.none() | st.just(cbor2.undefined) | st.integers(min_value=INT_MAX + 1)


@quick
@given(values, outside)
def test_one_item_from_outside_the_profile_spoils_the_whole(value: object, strange: object) -> None:
    for data in (cbor2.dumps([value, strange], canonical=True), cbor2.dumps({0: value, 1: strange}, canonical=True)):
        try:
            decode(data)
        except NotCanonical:
            continue
        raise AssertionError(f"{strange!r} was accepted")


# --- envelope -----------------------------------------------------------------------------------------------

ALICE, MALLORY = IdentityKey(bytes(32)), IdentityKey(bytes([7]) * 32)


@quick
@given(st.binary(max_size=200))
def test_an_envelope_opens_to_what_was_signed_and_verifies_for_its_writer_only(payload: bytes) -> None:
    opened = open_envelope(sign_envelope(ALICE, payload), bytes_max=FRAME_BYTES_MAX)
    assert opened.payload == payload
    assert verify(SignatureCheck(ALICE.public, opened.signed, opened.signature))
    assert not verify(SignatureCheck(MALLORY.public, opened.signed, opened.signature))


@quick
@given(st.binary(max_size=60), mutations)
def test_a_damaged_envelope_is_refused_or_does_not_verify(payload: bytes, steps: list[tuple[int, int, int]]) -> None:
    data = sign_envelope(ALICE, payload)
    other = mutated(data, steps)
    try:
        opened = open_envelope(other, bytes_max=FRAME_BYTES_MAX)
    except RemoteProtocolError:
        return
    assert other == data or not verify(SignatureCheck(ALICE.public, opened.signed, opened.signature))


# --- framing ------------------------------------------------------------------------------------------------


def read(chunks: list[bytes]) -> tuple[list[bytes], bool]:
    """The bodies of the chunks, and whether the stream was refused."""
    reader, bodies = FrameReader(), []
    try:
        for chunk in chunks:
            bodies += reader.feed(chunk)
    except FrameTooLarge:
        return bodies, True
    return bodies, False


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in pairwise(places)]


streams = st.binary(max_size=60) | st.builds(
    lambda bodies, tail: b"".join(map(frame, bodies)) + tail,
    st.lists(st.binary(min_size=1, max_size=30), max_size=8),
    st.sampled_from([b"", b"\0", b"\0\0\0\0", b"\0\0\0\x09cut", b"\xff\xff\xff\xff"]),
)


@quick
@given(streams, st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_gives_the_same_frames_or_the_same_refusal(stream: bytes, cuts: list[int]) -> None:
    """Refusal ends the link, so it does not matter that a chunk's good frames go with the bad one after them."""
    whole, refused = read([stream])
    for chunks in (split(stream, cuts), [stream[n : n + 1] for n in range(len(stream))]):
        bodies, refused_too = read(chunks)
        assert refused_too == refused
        assert refused or bodies == whole


# --- messages -----------------------------------------------------------------------------------------------


def of_type(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values that a field of `kind` takes, small ones."""
    match kind:
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.BytesType(min_length=low, max_length=high):
            return st.binary(min_size=low or 0, max_size=min(high or 0, 40))
        case inspect.StrType(max_length=high):
            return st.text(max_size=min(high or 0, 20))
        case inspect.ListType(item_type=item, min_length=low):
            return st.lists(of_type(item), min_size=low or 0, max_size=4)
        case inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, *(of_type(field.type) for field in fields))
    raise AssertionError(f"{kind} has no place in a message")


any_message = st.sampled_from(list(NUMBERS.values())).flatmap(lambda cls: of_type(inspect.type_info(cls)))


@quick
@given(any_message)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@quick
@given(any_message, mutations)
def test_a_damaged_message_is_a_message_nothing_or_our_error(
    message: Message, steps: list[tuple[int, int, int]]
) -> None:
    try:
        decode_message(mutated(encode_message(message), steps))
    except RemoteProtocolError:
        return


@quick
@given(st.lists(values, max_size=8), st.sampled_from(list(NUMBERS)))
def test_any_fields_after_a_known_number_are_a_message_or_our_error(fields: list[object], number: int) -> None:
    try:
        message = decode_message(encode([number, *fields]))
    except RemoteProtocolError:
        return
    assert type(message) is NUMBERS[number]
