"""The body of a lease: where it stands at its home, the state that the node declared, and the node's proof of presence.

Only the slot and the proof decide whether a lease is valid (docs/protocol.md, Cells); the rest is read by
whoever shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.ids import ID_BYTES
from p2preg.base.limits import SUCCESSORS_MAX
from p2preg.crypto.presence import PRESENCE, proof_message
from p2preg.wire.envelope import SIGNATURE_BYTES

ATTACHED, LOST, GONE = 0, 1, 2  # contact: the socket is there; it is not, or is silent; it did not come back

NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Proof:
    """What the node signed to say that it is at this home: `authority` as it dialled it, the home's `nonce`, and
    `seq`, the node's Unix ms."""

    authority: str
    nonce: bytes
    seq: int
    signature: bytes

    @classmethod
    def from_value(cls, value: object) -> Proof:
        """Read [authority, nonce, seq, signature]; `RemoteProtocolError` when it is anything else."""
        match value:
            case [str(authority), bytes(nonce), int(seq), bytes(signature)]:
                pass
            case _:
                raise RemoteProtocolError("a proof is [authority, nonce, seq, signature]")
        if not authority or "\0" in authority:
            raise RemoteProtocolError("a proof's authority is text without a zero byte, and not empty")
        if len(nonce) != NONCE_BYTES or len(signature) != SIGNATURE_BYTES or seq < 0:
            raise RemoteProtocolError("a proof has a nonce of 32 bytes, an unsigned seq and a signature of 64 bytes")
        return cls(authority, nonce, seq, signature)

    def to_value(self) -> list[object]:
        return [self.authority, self.nonce, self.seq, self.signature]

    def message(self, network: str, home: bytes) -> bytes:
        """The bytes over which `signature` must hold, by the node, for this to be a proof for `home`."""
        return proof_message(PRESENCE, network, self.authority, home, self.nonce, self.seq)


@dataclass(frozen=True, slots=True)
class LeaseBody:
    """A lease's body. `state` is one of docs/rpc.md's; the last three are there when the node drains."""

    slot: int
    contact: int
    state: str
    epoch: int
    proof: Proof
    deadline_ms: int | None = None
    reason: str | None = None
    successors: tuple[bytes, ...] = ()

    @classmethod
    def from_map(cls, body: Mapping[str, Any], proof: Proof | None = None) -> LeaseBody:
        """Read a lease's body; `RemoteProtocolError` when a field cannot be read. Fields of later releases are
        passed over. `proof`: the one in it, if it has been read before."""
        contact = read_uint(body, "contact")
        if contact > GONE:
            raise RemoteProtocolError(f"a lease's contact is 0, 1 or 2, got {contact}")
        return cls(
            slot=read_uint(body, "slot"),
            contact=contact,
            state=_read_text(body, "state"),
            epoch=read_uint(body, "epoch"),
            proof=proof or Proof.from_value(body.get("proof")),
            deadline_ms=read_uint(body, "deadline_ms") if "deadline_ms" in body else None,
            reason=_read_text(body, "reason") if "reason" in body else None,
            successors=_read_successors(body.get("successors", [])),
        )

    def to_map(self) -> dict[str, object]:
        """The body as it is signed: absent fields are left out."""
        body: dict[str, object] = {
            "slot": self.slot,
            "contact": self.contact,
            "state": self.state,
            "epoch": self.epoch,
            "proof": self.proof.to_value(),
        }
        if self.deadline_ms is not None:
            body["deadline_ms"] = self.deadline_ms
        if self.reason is not None:
            body["reason"] = self.reason
        if self.successors:
            body["successors"] = list(self.successors)
        return body


def read_uint(body: Mapping[str, Any], name: str) -> int:
    """The unsigned integer `name` of a body; `RemoteProtocolError` when it is none."""
    value = body.get(name)
    if type(value) is not int or value < 0:
        raise RemoteProtocolError(f"{name} must be an unsigned integer, got {type(value).__name__}")
    return value


def _read_text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise RemoteProtocolError(f"{name} must be text, got {type(value).__name__}")
    return value


def _read_successors(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > SUCCESSORS_MAX:
        raise RemoteProtocolError(f"successors are a list of at most {SUCCESSORS_MAX} ids")
    if not all(isinstance(item, bytes) and len(item) == ID_BYTES for item in value):
        raise RemoteProtocolError(f"a successor is an id of {ID_BYTES} bytes")
    return tuple(value)
