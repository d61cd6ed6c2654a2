"""Target: the signed batch that a registry broadcasts."""

from __future__ import annotations

from fuzz.repair import repaired
from p2preg.base.limits import BATCH_BYTES_MAX
from p2preg.broadcast.batch import FORMAT, Batch, BatchInvalid, parse_batch, sign_batch
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify
from p2preg.wire import cbor
from p2preg.wire.envelope import sign_envelope

NETWORK = "vectors-0123456789abcdef"  # as in tests/vectors/batches.json
ORIGIN = IdentityKey(bytes(range(32)))


def one_input(data: bytes) -> None:
    """Bytes are a batch that can be signed again field by field to the same bytes, or refused as no batch."""
    value = cbor.decode(repaired(data))
    for raw in (data, cbor.encode(value), signed(value), signed(like_a_batch(value))):
        try:
            batch = parse_batch(raw, NETWORK)
        except BatchInvalid:
            continue
        judge(batch, raw)


def judge(batch: Batch, raw: bytes) -> None:
    assert batch.raw == raw
    assert len(raw) <= BATCH_BYTES_MAX
    if batch.origin != ORIGIN.public or not verify(batch.check):
        return
    again = sign_batch(
        ORIGIN,
        network=batch.network,
        epoch=batch.epoch,
        counter=batch.counter,
        issued_ms=batch.issued_ms,
        uptime_ms=batch.uptime_ms,
        interval_ms=batch.interval_ms,
        cells=batch.cells,
        pages=batch.pages,
    )
    assert again.raw == raw or len(again.raw) < len(raw), "only a later release's fields may be lost"
    assert (again.cells, again.pages, again.counter) == (batch.cells, batch.pages, batch.counter)


def signed(payload: cbor.Value) -> bytes:
    return sign_envelope(ORIGIN, cbor.encode(payload))


def like_a_batch(value: cbor.Value) -> dict[int, cbor.Value]:
    """`value` in a batch whose head is good: its fields where it is a map of them, else its pages, else its cells."""
    head = dict(enumerate((FORMAT, NETWORK, ORIGIN.public, 1_790_000_000_000, 1, 1_790_000_005_000, 5_000, 5_000)))
    if isinstance(value, dict) and all(isinstance(key, int) for key in value):
        return {**head, 8: [], 9: [], **value, 0: FORMAT, 1: NETWORK, 2: ORIGIN.public}
    if isinstance(value, list) and value and isinstance(value[0], list):
        return {**head, 8: [], 9: value}
    return {**head, 8: value if isinstance(value, list) else [value], 9: []}
