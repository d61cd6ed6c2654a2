"""A batch: what one registry signed since its last one, cells to be stored and pages that are only current.

COSE_Sign1 by the origin over {0: "p2preg-batch-1", 1 network, 2 origin, 3 epoch, 4 counter, 5 issued_ms, 6 uptime_ms,
7 interval_ms, 8 cells, 9 pages}. The text at key 0, where a cell has an integer, keeps the two apart. Keys from 10 on
are a newer release's and are ignored. Cells stay unopened here: their meaning is not the broadcast's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from p2preg.base.errors import LocalProtocolError, RemoteProtocolError
from p2preg.base.ids import ID_BYTES
from p2preg.base.limits import (
    BATCH_BYTES_MAX,
    BATCH_CELLS_MAX,
    BATCH_PAGES_MAX,
    CELL_BYTES_MAX,
    INTERVAL_MS_MAX,
    PAGE_BYTES_MAX,
)
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck
from p2preg.wire import cbor
from p2preg.wire.envelope import open_envelope, sign_envelope

FORMAT = "p2preg-batch-1"
BATCH_ID_BYTES = 16
U63_MAX = 2**63 - 1  # epoch and counter travel in announcements, whose integers end here

LOAD, QOS = 1, 2  # page kinds; a reader skips those that it does not know


class BatchInvalid(RemoteProtocolError):
    """Bytes that are no batch of this network. No honest registry signs or forwards them."""


@dataclass(frozen=True, slots=True)
class Page:
    """A current fact about `subject` (32 bytes): replaced by the next, never stored. `kind`: 1 to 255."""

    kind: int
    subject: bytes
    body: dict[str, cbor.Value]

    def encoded(self) -> bytes:
        return cbor.encode([self.kind, self.subject, self.body])


@dataclass(frozen=True, slots=True)
class Batch:
    """An opened, not yet verified batch: genuine if `check` holds. `counter` is 1, 2, 3… within an epoch;
    `interval_ms` is when the next batch is due at the latest, 0 in a farewell."""

    raw: bytes
    batch_id: bytes
    origin: bytes
    network: str
    epoch: int
    counter: int
    issued_ms: int
    uptime_ms: int
    interval_ms: int
    cells: tuple[bytes, ...]
    pages: tuple[Page, ...]
    check: SignatureCheck


def batch_id_of(raw: bytes) -> bytes:
    """The first 16 bytes of SHA-256: each receiver computes it, so nobody can claim another."""
    return hashlib.sha256(raw).digest()[:BATCH_ID_BYTES]


def sign_batch(
    key: IdentityKey,
    *,
    network: str,
    epoch: int,
    counter: int,
    issued_ms: int,
    uptime_ms: int,
    interval_ms: int,
    cells: Sequence[bytes] = (),
    pages: Sequence[Page] = (),
) -> Batch:
    """The batch signed by `key`; `LocalProtocolError` when a field is beyond its bounds."""
    head = dict(enumerate((FORMAT, network, key.public, epoch, counter, issued_ms, uptime_ms, interval_ms)))
    body = {8: list(cells), 9: [[page.kind, page.subject, page.body] for page in pages]}
    try:
        return parse_batch(sign_envelope(key, cbor.encode(head | body)), network)
    except BatchInvalid as error:
        raise LocalProtocolError(f"this is no batch to sign: {error}") from None


def parse_batch(raw: bytes, network: str) -> Batch:
    """The batch in `raw`, by its bytes alone; `BatchInvalid` when it is not one of `network`. Does not verify."""
    try:
        envelope = open_envelope(raw, bytes_max=BATCH_BYTES_MAX)
        fields = cbor.decode(envelope.payload, bytes_max=BATCH_BYTES_MAX)
    except RemoteProtocolError as error:
        raise BatchInvalid(str(error)) from None
    if not isinstance(fields, dict) or fields.get(0) != FORMAT:
        raise BatchInvalid(f"a map with {FORMAT!r} at key 0 was expected")
    if fields.get(1) != network:
        raise BatchInvalid(f"a batch of network {network!r} was expected")
    origin = _bytes32(fields.get(2), "the origin")
    return Batch(
        raw=raw,
        batch_id=batch_id_of(raw),
        origin=origin,
        network=network,
        epoch=_integer(fields.get(3), "the epoch"),
        counter=_integer(fields.get(4), "the counter", low=1),
        issued_ms=_integer(fields.get(5), "issued_ms"),
        uptime_ms=_integer(fields.get(6), "uptime_ms"),
        interval_ms=_integer(fields.get(7), "interval_ms", high=INTERVAL_MS_MAX),
        cells=tuple(_cell(item) for item in _array(fields.get(8), "cells", BATCH_CELLS_MAX)),
        pages=tuple(_page(item) for item in _array(fields.get(9), "pages", BATCH_PAGES_MAX)),
        check=SignatureCheck(origin, envelope.signed, envelope.signature),
    )


def _integer(value: cbor.Value, what: str, *, low: int = 0, high: int = U63_MAX) -> int:
    if not isinstance(value, int) or not low <= value <= high:
        raise BatchInvalid(f"{what} must be an integer from {low} to {high}")
    return value


def _bytes32(value: cbor.Value, what: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise BatchInvalid(f"{what} must be {ID_BYTES} bytes")
    return value


def _array(value: cbor.Value, what: str, items_max: int) -> list[cbor.Value]:
    if not isinstance(value, list) or len(value) > items_max:
        raise BatchInvalid(f"{what} must be an array of at most {items_max}")
    return value


def _cell(value: cbor.Value) -> bytes:
    if not isinstance(value, bytes) or not 0 < len(value) <= CELL_BYTES_MAX:
        raise BatchInvalid(f"a cell must be 1 to {CELL_BYTES_MAX} bytes")
    return value


def _page(value: cbor.Value) -> Page:
    match value:
        case [kind, subject, dict(body)] if all(isinstance(name, str) for name in body):
            if (size := len(cbor.encode(body))) > PAGE_BYTES_MAX:
                raise BatchInvalid(f"a page's body has at most {PAGE_BYTES_MAX} bytes, got {size}")
            return Page(_integer(kind, "a page's kind", low=1, high=255), _bytes32(subject, "a page's subject"), body)
        case _:
            raise BatchInvalid("a page must be [kind, subject, map with text keys]")
