"""Target: cells of every kind, and the network file."""

from __future__ import annotations

import hashlib
from typing import Any

from fuzz.repair import repaired
from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import CELL_BYTES_MAX
from p2preg.cells.cell import ADVERT, FORMAT, LEASE, REGISTRY, Cell, CellInvalid, CellUnknown, parse_cell
from p2preg.cells.lease import LeaseBody
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify
from p2preg.wire import cbor
from p2preg.wire.envelope import sign_envelope

NETWORK = NetworkFile.open("fuzz")
HOME = IdentityKey(bytes(32))
NODE = IdentityKey(bytes([1]) * 32)
SEQ = 1_790_000_000_000  # Unix ms


def one_input(data: bytes) -> None:
    """Bytes are a cell that says of itself what its bytes say, one for a later release, or refused."""
    value = cbor.decode(repaired(data))
    for raw in (data, cbor.encode(value)):
        judge(raw)
        network_file(raw)
    for payload in (value, like_a_cell(value)):
        cell = judge(sign_envelope(HOME, cbor.encode(payload)))
        assert cell is None or cell.writer != HOME.public or verify(cell.checks()[0])


def judge(raw: bytes) -> Cell | None:
    """The cell in `raw`, if there is one, found to be consistent."""
    try:
        cell = parse_cell(raw, NETWORK)
    except (CellInvalid, CellUnknown):
        return None
    assert cell.raw == raw
    assert len(raw) <= CELL_BYTES_MAX
    assert parse_cell(raw, NETWORK) == cell
    assert 0 <= cell.shard < 4096
    assert len(cell.hash) == len(cell.element) == hashlib.sha256().digest_size
    assert len(repr(cell)) < 100
    assert len(cell.checks()) == (2 if cell.kind == LEASE else 1)
    assert NETWORK.admits(cell)
    if cell.kind == LEASE:
        lease_body(cell)
    return cell


def lease_body(cell: Cell) -> None:
    try:
        body = LeaseBody.from_map(cell.body)
    except RemoteProtocolError:
        return
    assert LeaseBody.from_map(body.to_map()) == body
    assert body.slot == cell.slot
    assert body.proof == cell.proof


def network_file(data: bytes) -> None:
    try:
        network = NetworkFile.parse(data)
    except RemoteProtocolError:
        return
    assert network.encode() == data
    assert NetworkFile.parse(data).network == network.network


def like_a_cell(value: cbor.Value) -> dict[int, Any]:
    """`value` as the body of a cell whose other fields are good: what a hostile writer would do."""
    body = value if isinstance(value, dict) else {"slot": 1, "proof": value}
    kind = LEASE if "proof" in body else REGISTRY if "endpoints" in body else ADVERT
    fields: dict[int, Any] = {0: FORMAT, 1: NETWORK.network, 2: HOME.public, 3: kind, 4: SEQ, 5: body}
    return fields if kind == REGISTRY else fields | {2: NODE.public, 6: HOME.public}
