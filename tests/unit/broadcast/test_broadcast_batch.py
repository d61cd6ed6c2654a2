"""Batches: what is signed is what is read, and nothing else is."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from broadcast_harness import NETWORK, batch_by, key_of

from p2preg.base.errors import LocalProtocolError
from p2preg.base.limits import BATCH_BYTES_MAX
from p2preg.broadcast.batch import LOAD, BatchInvalid, Page, parse_batch, sign_batch
from p2preg.cells.cell import REGISTRY, CellInvalid, parse_cell, sign_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify
from p2preg.wire import cbor
from p2preg.wire.envelope import open_envelope, sign_envelope

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "tests" / "vectors" / "batches.json").read_text()
VECTORS = json.loads(TEXT)
ALICE = key_of("alice")
HEAD = {"network": NETWORK, "epoch": 1, "counter": 1, "issued_ms": 2, "uptime_ms": 3, "interval_ms": 5000}


def test_the_committed_vectors_are_what_the_generator_writes() -> None:
    assert runpy.run_path(str(ROOT / "scripts" / "vectors-batches"))["document"]() == TEXT


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda vector: vector["name"])
def test_a_vector_is_signed_to_the_same_bytes_and_read_back(vector: dict[str, Any]) -> None:
    fields = {name: vector[name] for name in HEAD}
    fields["cells"] = tuple(bytes.fromhex(cell) for cell in vector["cells"])
    fields["pages"] = tuple(Page(*cbor.decode(bytes.fromhex(page))) for page in vector["pages"])
    key = IdentityKey(bytes.fromhex(VECTORS["seed"]))
    batch = sign_batch(key, **fields)
    assert batch.raw.hex() == vector["raw"]
    assert batch.batch_id.hex() == vector["batch_id"]
    assert batch.origin == key.public
    assert {name: getattr(batch, name) for name in fields} == fields
    assert verify(batch.check)


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda vector: vector["why"])
def test_a_vector_that_is_no_batch_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(BatchInvalid):
        parse_batch(bytes.fromhex(vector["raw"]), VECTORS["network"])


def test_the_change_of_any_one_byte_makes_a_batch_unreadable_or_unverifiable() -> None:
    raw = sign_batch(ALICE, **HEAD, cells=[b"cell"], pages=[Page(LOAD, bytes(32), {"cpu": 1})]).raw
    for at in range(len(raw)):
        for bit in (0x01, 0x80):
            changed = raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :]
            try:
                batch = parse_batch(changed, NETWORK)
            except BatchInvalid:
                continue
            assert not verify(batch.check), f"byte {at}"


def test_a_batch_signed_by_another_key_than_its_origin_does_not_verify() -> None:
    payload = open_envelope(batch_by(ALICE, 1).raw, bytes_max=BATCH_BYTES_MAX).payload
    assert not verify(parse_batch(sign_envelope(key_of("mallory"), payload), NETWORK).check)


def test_neither_of_a_batch_and_a_cell_can_be_read_as_the_other() -> None:
    network = NetworkFile.open("test")
    batch = sign_batch(ALICE, **(HEAD | {"network": network.network}))
    cell = sign_cell(ALICE, network, ALICE.public, REGISTRY, 1, {})
    with pytest.raises(CellInvalid, match="format"):
        parse_cell(batch.raw, network)
    with pytest.raises(BatchInvalid, match="key 0"):
        parse_batch(cell.raw, network.network)


def test_a_payload_with_an_integer_at_key_0_is_no_batch_whatever_else_it_holds() -> None:
    payload = cbor.decode(open_envelope(batch_by(ALICE, 1).raw, bytes_max=BATCH_BYTES_MAX).payload)
    with pytest.raises(BatchInvalid, match="key 0"):
        parse_batch(sign_envelope(ALICE, cbor.encode(payload | {0: 1})), NETWORK)


def test_a_field_of_a_later_release_is_ignored() -> None:
    payload = cbor.decode(open_envelope(batch_by(ALICE, 1).raw, bytes_max=BATCH_BYTES_MAX).payload)
    batch = parse_batch(sign_envelope(ALICE, cbor.encode(payload | {10: "new"})), NETWORK)
    assert (batch.counter, batch.cells) == (1, (b"cell",))


def test_a_batch_above_the_frame_is_refused_unread() -> None:
    with pytest.raises(BatchInvalid, match="60000"):
        parse_batch(bytes(BATCH_BYTES_MAX + 1), NETWORK)


def test_signing_what_nobody_would_read_is_our_own_error() -> None:
    with pytest.raises(LocalProtocolError, match="counter"):
        sign_batch(ALICE, **(HEAD | {"counter": 0}))
    with pytest.raises(LocalProtocolError, match="60000"):
        sign_batch(ALICE, **HEAD, cells=[bytes(4096)] * 15)
