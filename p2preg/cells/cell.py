"""The cell: a signed last-writer-wins register with one possible writer (docs/protocol.md, Cells).

Whether bytes are a cell is a pure function of the bytes and the network file: never of load, time or luck. Signatures
are not checked here: `Cell.checks` says what must hold, so that many can be checked at once elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.ids import ID_BYTES, short
from p2preg.base.limits import CELL_BYTES_MAX
from p2preg.cells.lease import Proof, read_uint
from p2preg.crypto.verify import SignatureCheck
from p2preg.wire import cbor
from p2preg.wire.envelope import SIGNATURE_BYTES, open_envelope, sig_structure, sign_envelope

if TYPE_CHECKING:
    from p2preg.cells.network import NetworkFile
    from p2preg.crypto.keys import IdentityKey

FORMAT = 1
REGISTRY, ADVERT, LEASE = 1, 2, 3
KIND_NAMES = {REGISTRY: "registry", ADVERT: "advert", LEASE: "lease"}

PROOF_AHEAD_MS = 60_000  # the node's clock may be this far before its home's (docs/rpc.md, Login bytes)

_Fields = tuple[bytes, bytes, int, int, Mapping[str, Any]]  # subject, writer, kind, seq, body

_FIELDS = {0, 1, 2, 3, 4, 5}
_FIELDS_WITH_WRITER = _FIELDS | {6}
_TAIL_BYTES = 2 + SIGNATURE_BYTES  # in the envelope the signature with its head follows the payload


class CellInvalid(RemoteProtocolError):
    """Bytes that are no cell of this network. `reason` is one of the RPC contract's `cell.*`."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class CellUnknown(RemoteProtocolError):
    """A cell of a kind or format of a later release: passed over, and no fault of whoever sent it."""


@dataclass(frozen=True, slots=True, repr=False)
class Cell:
    """A parsed cell. Its bytes decide everything else, so two cells are equal when their bytes are.

    `hash` is the SHA-256 of the payload, `end_ms` the moment from which it has ended, `slot` and `proof` a lease's
    (-1 and None otherwise), `element` what reconciliation compares: SHA-256 of key, seq and hash.
    """

    raw: bytes
    network: str = field(compare=False)
    kind: int = field(compare=False)
    subject: bytes = field(compare=False)
    writer: bytes = field(compare=False)
    seq: int = field(compare=False)
    hash: bytes = field(compare=False)
    end_ms: int = field(compare=False)
    slot: int = field(compare=False)
    proof: Proof | None = field(compare=False)
    key: bytes = field(compare=False)
    shard: int = field(compare=False)
    element: bytes = field(compare=False)
    payload_bytes: int = field(compare=False)
    sponsored: bool | None = field(default=None, init=False, compare=False)  # remembered by NetworkFile.admits

    def __repr__(self) -> str:
        name = KIND_NAMES[self.kind]
        return f"Cell({name} of {short(self.subject)} by {short(self.writer)}, seq {self.seq})"

    @property
    def body(self) -> dict[str, Any]:
        """Read anew from the bytes each time, since as bytes it takes a fifth of the memory."""
        body: dict[str, Any] = cbor.decode_known(self._payload)[5]
        return body

    @property
    def _payload(self) -> bytes:
        return self.raw[-_TAIL_BYTES - self.payload_bytes : -_TAIL_BYTES]

    @property
    def order(self) -> tuple[int, bytes]:
        """Of two cells with one key the one with the greater order stands."""
        return self.seq, self.hash

    def checks(self) -> tuple[SignatureCheck, ...]:
        """The signatures that must hold: the writer's over the cell, and in a lease the node's proof for this home."""
        written = SignatureCheck(self.writer, sig_structure(self._payload), self.raw[-SIGNATURE_BYTES:])
        if self.proof is None:
            return (written,)
        present = self.proof.message(self.network, self.writer)
        return written, SignatureCheck(self.subject, present, self.proof.signature)


def registry_key(registry: bytes) -> bytes:
    """The key of a registry's own cell."""
    return bytes((REGISTRY,)) + registry + registry


def advert_key(subject: bytes, writer: bytes) -> bytes:
    """The key of the description of `subject` by `writer`: itself or a home."""
    return bytes((ADVERT,)) + subject + writer


def lease_key(home: bytes, slot: int) -> bytes:
    """The key of a home's slot, whoever the lease in it is for."""
    return bytes((LEASE,)) + home + slot.to_bytes(8)


def parse_cell(raw: bytes, network: NetworkFile) -> Cell:
    """Read a cell; its signatures remain to be checked.

    Raises `CellInvalid` when the bytes are no valid cell of this network, `CellUnknown` when they may be one for a
    later release.
    """
    if len(raw) > CELL_BYTES_MAX:
        raise CellInvalid("cell.too_large", f"a cell has at most {CELL_BYTES_MAX} bytes, got {len(raw)}")
    try:
        payload = open_envelope(raw, bytes_max=CELL_BYTES_MAX).payload
        fields = cbor.decode(payload, bytes_max=CELL_BYTES_MAX)
    except RemoteProtocolError as error:
        raise CellInvalid("cell.not_canonical", str(error)) from None
    subject, writer, kind, seq, body = _read_fields(fields, network)
    if kind not in KIND_NAMES:
        raise CellUnknown(f"kind {kind} is not known here")
    if kind == REGISTRY and writer != subject:
        raise CellInvalid("cell.wrong_kind", "a registry cell is written by the registry itself")
    return _cell(raw, payload, network, (subject, writer, kind, seq, body))


def _cell(raw: bytes, payload: bytes, network: NetworkFile, fields: _Fields) -> Cell:
    """The cell with these fields of its payload; `CellInvalid` when it is a lease without slot and proof."""
    subject, writer, kind, seq, body = fields
    slot, proof, life_ms = -1, None, network.lives[kind]
    end_ms = seq + life_ms
    if kind == LEASE:
        slot, proof = _read_lease(body, seq, life_ms)
        end_ms = proof.seq + life_ms
        key = lease_key(writer, slot)
    else:
        key = bytes((kind,)) + subject + writer
    digest = hashlib.sha256(payload).digest()
    return Cell(
        raw=raw,
        network=network.network,
        kind=kind,
        subject=subject,
        writer=writer,
        seq=seq,
        hash=digest,
        end_ms=end_ms,
        slot=slot,
        proof=proof,
        key=key,
        shard=int.from_bytes(hashlib.sha256(subject).digest()[:2]) >> 4,
        element=hashlib.sha256(key + seq.to_bytes(8) + digest).digest(),
        payload_bytes=len(payload),
    )


def sign_cell(
    key: IdentityKey, network: NetworkFile, subject: bytes, kind: int, seq: int, body: Mapping[str, Any]
) -> Cell:
    """A new cell by `key`; `CellInvalid` when it would be none, `cell.too_large` above all."""
    fields = {0: FORMAT, 1: network.network, 2: subject, 3: kind, 4: seq, 5: body}
    if key.public != subject:
        fields[6] = key.public
    payload = cbor.encode(fields)
    raw = sign_envelope(key, payload)
    if len(raw) > CELL_BYTES_MAX:
        raise CellInvalid("cell.too_large", f"a cell has at most {CELL_BYTES_MAX} bytes, got {len(raw)}")
    return _cell(raw, payload, network, (subject, key.public, kind, seq, body))


def _read_fields(fields: Any, network: NetworkFile) -> _Fields:
    """Subject, writer, kind, seq and body of a payload."""
    if not isinstance(fields, dict) or type(fields.get(0)) is not int:
        raise CellInvalid("cell.not_canonical", "a cell's payload is a map with its format under 0")
    if fields[0] != FORMAT:
        raise CellUnknown(f"format {fields[0]} is not known here, only {FORMAT}")
    if fields.keys() != _FIELDS and fields.keys() != _FIELDS_WITH_WRITER:
        raise CellInvalid("cell.not_canonical", f"a cell has the fields 0 to 5, and perhaps 6; got {sorted(fields)}")
    if fields[1] != network.network:
        raise CellInvalid("cell.wrong_network", f"the network here is {network.network!r}, got {str(fields[1])[:40]!r}")
    subject, kind, seq, body = fields[2], fields[3], fields[4], fields[5]
    writer: Any = fields.get(6, subject)
    if not (_is_id(subject) and _is_id(writer)):
        raise CellInvalid("cell.not_canonical", f"subject and writer are ids of {ID_BYTES} bytes")
    if 6 in fields and writer == subject:
        raise CellInvalid("cell.not_canonical", "the writer is left out when it is the subject")
    if type(kind) is not int or type(seq) is not int or kind < 0 or seq < 0:
        raise CellInvalid("cell.not_canonical", "kind and seq are unsigned integers")
    if not isinstance(body, dict) or not all(isinstance(name, str) for name in body):
        raise CellInvalid("cell.not_canonical", "the body is a map with text keys")
    return subject, writer, kind, seq, body


def _is_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == ID_BYTES


def _read_lease(body: Mapping[str, Any], seq: int, life_ms: int) -> tuple[int, Proof]:
    """Slot and proof of a lease's body, which alone must be readable for the lease to be valid."""
    try:
        slot, proof = read_uint(body, "slot"), Proof.from_value(body.get("proof"))
    except RemoteProtocolError as error:
        raise CellInvalid("cell.not_canonical", str(error)) from None
    if not seq - life_ms < proof.seq <= seq + PROOF_AHEAD_MS:
        raise CellInvalid(
            "cell.not_canonical",
            f"a proof is less than {life_ms} ms older than its lease and at most {PROOF_AHEAD_MS} ms newer, "
            f"got {seq - proof.seq} ms older",
        )
    return slot, proof
