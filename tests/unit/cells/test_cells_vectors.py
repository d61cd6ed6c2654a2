"""The worked examples of tests/vectors/cells.json: written again they are the same, and a client can follow them with
CBOR and Ed25519 libraries alone."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2preg.cells.cell import CellInvalid, parse_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.verify import SignatureCheck, verify, verify_all

ROOT = Path(__file__).resolve().parents[3]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "cells.json").read_text())
NETWORKS = {row["network"]: NetworkFile.parse(bytes.fromhex(row["bytes"])) for row in VECTORS["networks"].values()}
DEMO = NETWORKS[VECTORS["session"]["network"]]


def test_the_script_writes_the_same_file_again() -> None:
    for path, text in runpy.run_path(str(ROOT / "scripts" / "vectors"))["build"]().items():
        assert path.read_text() == text, "run scripts/vectors, and say why the format changed"


def test_a_network_is_named_by_its_bytes() -> None:
    assert [file.network for file in NETWORKS.values()] == list(NETWORKS)


@pytest.mark.parametrize("name", VECTORS["cells"])
def test_a_cell_is_valid_and_is_what_its_row_says(name: str) -> None:
    row = VECTORS["cells"][name]
    network = NETWORKS[cbor2.loads(bytes.fromhex(row["payload_bytes"]))[1]]
    cell = parse_cell(bytes.fromhex(row["bytes"]), network)
    assert all(verify_all(cell.checks()))
    assert cell.checks()[0].message.hex() == row["sig_structure"]
    derived = {name: row[name] for name in ("hash", "key", "element")}
    assert {"hash": cell.hash.hex(), "key": cell.key.hex(), "element": cell.element.hex()} == derived
    assert (cell.shard, cell.end_ms) == (row["shard"], row["end_ms"])
    if name == "lease":
        assert cell.checks()[1].message.hex() == row["proof_message"]
    if name == "registry_sponsored":
        assert network.admits(cell)


def test_a_client_signs_the_same_advert_with_two_libraries_and_none_of_ours() -> None:
    row, seed = VECTORS["cells"]["advert"], bytes.fromhex(VECTORS["keys"]["node"]["seed"])
    key = Ed25519PrivateKey.from_private_bytes(seed)
    body = {name: value for name, value in row["attributes"].items() if name not in ("latitude", "longitude")}
    body |= {name + "_udeg": round(row["attributes"][name] * 1_000_000) for name in ("latitude", "longitude")}
    body["operator"] = bytes.fromhex(body["operator"])
    network, seq = VECTORS["session"]["network"], VECTORS["session"]["seq"]
    fields = {0: 1, 1: network, 2: key.public_key().public_bytes_raw(), 3: 2, 4: seq, 5: body}
    payload, protected = cbor2.dumps(fields, canonical=True), cbor2.dumps({1: -19}, canonical=True)
    signature = key.sign(cbor2.dumps(["Signature1", protected, b"", payload], canonical=True))
    assert payload.hex() == row["payload_bytes"]
    assert cbor2.dumps([protected, {}, payload, signature], canonical=True).hex() == row["bytes"]


def test_a_client_signs_the_same_proof_of_presence_with_plain_bytes() -> None:
    session = VECTORS["session"]
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["keys"]["node"]["seed"]))
    head = b"p2preg-presence-1\0" + session["network"].encode() + b"\0" + session["authority"].encode() + b"\0"
    tail = bytes.fromhex(session["registry_id"] + session["server_nonce"]) + session["seq"].to_bytes(8)
    assert (head + tail).hex() == session["presence"]["message"] == VECTORS["cells"]["lease"]["proof_message"]
    assert key.sign(head + tail).hex() == session["presence"]["signature"]


@pytest.mark.parametrize("name", ["presence", "login", "hello"])
def test_the_signatures_of_a_session_hold_for_their_own_message_only(name: str) -> None:
    rows = {other: VECTORS["session"][other] for other in ("presence", "login", "hello")}
    public_key, signature = (bytes.fromhex(rows[name][part]) for part in ("public_key", "signature"))
    for other, row in rows.items():
        assert verify(SignatureCheck(public_key, bytes.fromhex(row["message"]), signature)) == (other == name)


@pytest.mark.parametrize("row", VECTORS["refused"], ids=lambda row: row["case"])
def test_what_must_be_refused_is_refused_for_the_reason_given(row: dict[str, str]) -> None:
    with pytest.raises(CellInvalid) as refused:
        parse_cell(bytes.fromhex(row["bytes"]), DEMO)
    assert refused.value.reason == row["reason"]
