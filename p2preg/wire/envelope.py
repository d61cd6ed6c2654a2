"""COSE_Sign1 (RFC 9052 section 4.2), untagged, with the one algorithm Ed25519 (-19, RFC 9864).

The signed bytes are kept as they came: nothing is encoded again in order to be verified or forwarded.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.errors import RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.wire import cbor

PROTECTED = cbor.encode({1: -19})
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """An opened, not yet verified COSE_Sign1: `signed` is the Sig_structure over which `signature` must hold."""

    payload: bytes
    signature: bytes
    signed: bytes


def sign_envelope(key: IdentityKey, payload: bytes) -> bytes:
    """The COSE_Sign1 array [protected, {}, payload, signature] by `key`."""
    return cbor.encode([PROTECTED, {}, payload, key.sign(sig_structure(payload))])


def sig_structure(payload: bytes) -> bytes:
    """The bytes that are signed: ["Signature1", protected, external data (empty), payload]."""
    return cbor.encode(["Signature1", PROTECTED, b"", payload])


def open_envelope(data: bytes, *, bytes_max: int) -> Envelope:
    """Take a COSE_Sign1 apart; `RemoteProtocolError` when it is anything else. Does not verify."""
    match cbor.decode(data, bytes_max=bytes_max):
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            if protected != PROTECTED or unprotected:
                raise RemoteProtocolError("the protected header must be {1: -19} and the unprotected one empty")
            if len(signature) != SIGNATURE_BYTES:
                raise RemoteProtocolError(f"an Ed25519 signature has 64 bytes, got {len(signature)}")
            return Envelope(payload, signature, sig_structure(payload))
        case _:
            raise RemoteProtocolError("a COSE_Sign1 array [protected, {}, payload, signature] was expected")
