"""The table of peer messages: numbers for good, golden bytes, and a bound on everything that can grow."""

from __future__ import annotations

import base64
import importlib.machinery
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import CELL_BYTES_MAX, FRAME_BYTES_MAX, NETWORK_BYTES_MAX
from p2preg.wire import cbor, messages
from p2preg.wire.messages import NUMBERS, Message, decode_message, encode_message

ROOT = Path(__file__).parents[3]
GOLDEN = {row["name"]: bytes.fromhex(row["bytes"]) for row in json.loads(
    (ROOT / "tests" / "vectors" / "messages.json").read_text())["messages"]}  # fmt: skip

# ONLY APPEND. A line that has to change here is a break with every registry that runs.
PINNED = {
    1: "Hello", 2: "Goodbye", 3: "Ping", 4: "Pong",
    10: "FindNode", 11: "Nodes",
    20: "Join", 21: "ForwardJoin", 22: "Neighbor", 23: "NeighborReply", 24: "DisconnectNeighbor",
    25: "Shuffle", 26: "ShuffleReply",
    30: "Gossip", 31: "IHave", 32: "Graft", 33: "Prune",
    40: "AskFingerprints", 41: "Fingerprints", 42: "AskElements", 43: "Elements", 44: "AskCells", 45: "Cells",
    46: "AskStream", 47: "StreamCells", 48: "PushCells", 49: "SyncRefused",
}  # fmt: skip


def generator() -> ModuleType:
    path = str(ROOT / "scripts" / "vectors-wire")
    loader = importlib.machinery.SourceFileLoader("vectors_wire", path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def example(name: str) -> list[Any]:
    value = cbor.decode(GOLDEN[name])
    assert isinstance(value, list)
    return value


def refused(value: object) -> bool:
    try:
        decode_message(cbor.encode(value))
    except RemoteProtocolError:
        return True
    return False


def test_numbers_are_these_for_good() -> None:
    assert {number: cls.__name__ for number, cls in NUMBERS.items()} == PINNED
    assert set(GOLDEN) == set(PINNED.values())


def test_the_committed_vectors_are_what_the_generator_writes() -> None:
    for path, text in generator().build().items():
        assert path.read_text() == text, f"{path.name}: run scripts/vectors-wire, if the wire is meant to change"


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_bytes_of_each_message_mean_the_same_for_ever(name: str) -> None:
    message = decode_message(GOLDEN[name])
    assert type(message).__name__ == name
    assert isinstance(message, Message)
    assert encode_message(message) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_field_that_a_newer_release_appends_is_ignored(name: str) -> None:
    assert decode_message(cbor.encode([*example(name), {0: b"new"}])) == decode_message(GOLDEN[name])


@pytest.mark.parametrize("name", GOLDEN)
def test_a_message_cut_short_is_refused(name: str) -> None:
    value = example(name)
    assert all(refused(value[:n]) for n in range(len(value)))


@pytest.mark.parametrize("number", [0, 5, 999, 2**64 - 1, -1])
def test_an_unknown_number_is_no_fault(number: int) -> None:
    assert decode_message(cbor.encode([number])) is None
    assert decode_message(cbor.encode([number, {}, [b"anything"]])) is None


@pytest.mark.parametrize("value", [0, b"", "Ping", {}, {0: 3}, [], ["Ping"], [b"\x03"], [[3]], [{}]])
def test_what_does_not_begin_with_a_number_is_refused(value: object) -> None:
    assert refused(value)


def test_base64_text_is_no_byte_string() -> None:
    assert refused([10, 7, base64.b64encode(bytes(32)).decode()])


# --- bounds -------------------------------------------------------------------------------------------------


def misfits(kind: inspect.Type) -> list[object]:
    """Values of another type than `kind`, and values just beyond its bounds."""
    match kind:
        case inspect.IntType(ge=low, le=high):
            assert low is not None and high is not None, "an integer without bounds"
            return [low - 1, high + 1, b"", "1", [], {}]
        case inspect.BytesType(min_length=low, max_length=high):
            assert high is not None, "bytes without a bound"
            return [bytes(high + 1), *([bytes(low - 1)] if low else []), "A" * (low or 4), 0, []]
        case inspect.StrType(max_length=high):
            assert high is not None, "text without a bound"
            return ["a" * (high + 1), b"", 0, []]
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            assert high is not None, "a list without a bound"
            beyond = [fit(item)] * (high + 1)
            return [beyond, *([[]] if low else []), 0, {}, *([fit(item), bad] for bad in misfits(item))]
        case inspect.StructType(fields=fields):
            rows = [[fit(field.type) for field in fields] for _ in fields]
            wrong = ([*row[:n], bad, *row[n + 1 :]] for n, row in enumerate(rows) for bad in misfits(fields[n].type))
            return [0, {}, [], *wrong]
    raise AssertionError(f"{kind} has no place in a message")


def fit(kind: inspect.Type) -> object:
    """The smallest value of `kind`."""
    match kind:
        case inspect.IntType(ge=low):
            return low
        case inspect.BytesType(min_length=low):
            return bytes(low or 0)
        case inspect.StrType():
            return ""
        case inspect.ListType(item_type=item, min_length=low):
            return [fit(item)] * (low or 0)
        case inspect.StructType(fields=fields):
            return [fit(field.type) for field in fields]
    raise AssertionError(f"{kind} has no place in a message")


@pytest.mark.parametrize("number", NUMBERS)
def test_every_field_has_its_type_and_its_bounds(number: int) -> None:
    struct = inspect.type_info(NUMBERS[number])
    assert isinstance(struct, inspect.StructType)
    smallest = [number, *(fit(field.type) for field in struct.fields)]
    assert not refused(smallest)
    for n, field in enumerate(struct.fields, start=1):
        for bad in misfits(field.type):
            assert refused([*smallest[:n], bad, *smallest[n + 1 :]]), (field.name, bad)


@pytest.mark.parametrize(
    ("name", "field", "most"),
    [
        ("Hello", 3, "n" * NETWORK_BYTES_MAX),
        ("Hello", 7, bytes(CELL_BYTES_MAX)),
        ("Nodes", 2, [b"c"] * 20),
        ("Shuffle", 2, [b"c"] * 12),
        ("Gossip", 1, bytes(60_000)),
        ("IHave", 1, [[bytes(16), bytes(32), 2**63 - 1, 2**63 - 1]] * 512),
        ("Graft", 1, [bytes(16)] * 512),
        ("AskFingerprints", 4, [[4095, 4096]] * 1024),
        ("Fingerprints", 2, [[2**63 - 1, bytes(16)]] * 1024),
        ("Elements", 2, [bytes(32)] * 1500),
        ("AskCells", 3, [bytes(32)] * 256),
    ],
)
def test_a_field_at_its_bound_is_accepted_and_fits_a_frame(name: str, field: int, most: object) -> None:
    value = example(name)
    value[field] = most
    data = cbor.encode(value)
    assert len(data) <= FRAME_BYTES_MAX
    assert decode_message(data)


def test_messages_are_values() -> None:
    assert messages.Ping(1) == messages.Ping(1)
    with pytest.raises(AttributeError):
        messages.Ping(1).nonce = 2  # type: ignore[misc]
    assert msgspec.structs.replace(messages.Ping(1), nonce=2) == messages.Ping(2)
