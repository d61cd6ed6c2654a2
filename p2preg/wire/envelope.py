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

# What stands around a payload, in canonical CBOR. Envelopes are put together from it, and the usual one is taken apart
# by it, since the codec costs ten times as much.
_HEAD = b"\x84" + cbor.encode(PROTECTED) + cbor.encode({})
_SIGNED_HEAD = b"\x84" + cbor.encode("Signature1") + cbor.encode(PROTECTED) + cbor.encode(b"")
_SIGNATURE_HEAD = b"\x58\x40"
_TAIL_BYTES = len(_SIGNATURE_HEAD) + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Envelope:
    """An opened, not yet verified COSE_Sign1: `signed` is the Sig_structure over which `signature` must hold."""

    payload: bytes
    signature: bytes
    signed: bytes


def sign_envelope(key: IdentityKey, payload: bytes) -> bytes:
    """The COSE_Sign1 array [protected, {}, payload, signature] by `key`."""
    signature = key.sign(sig_structure(payload))
    return _HEAD + _bytes_head(len(payload)) + payload + _SIGNATURE_HEAD + signature


def sig_structure(payload: bytes) -> bytes:
    """The bytes that are signed: ["Signature1", protected, external data (empty), payload]."""
    return _SIGNED_HEAD + _bytes_head(len(payload)) + payload


def open_envelope(data: bytes, *, bytes_max: int) -> Envelope:
    """Take a COSE_Sign1 apart; `RemoteProtocolError` when it is anything else. Does not verify."""
    if len(data) <= bytes_max and (payload := _payload_of(data)) is not None:
        return Envelope(payload, data[-SIGNATURE_BYTES:], sig_structure(payload))
    match cbor.decode(data, bytes_max=bytes_max):  # for its verdict: only a short payload gets through
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            if protected != PROTECTED or unprotected:
                raise RemoteProtocolError("the protected header must be {1: -19} and the unprotected one empty")
            if len(signature) != SIGNATURE_BYTES:
                raise RemoteProtocolError(f"an Ed25519 signature has 64 bytes, got {len(signature)}")
            return Envelope(payload, signature, sig_structure(payload))
        case _:
            raise RemoteProtocolError("a COSE_Sign1 array [protected, {}, payload, signature] was expected")


def _payload_of(data: bytes) -> bytes | None:
    """The payload, if `data` is the one encoding of an envelope around 24 to 65 535 bytes."""
    start = len(_HEAD) + (3 if data[len(_HEAD) : len(_HEAD) + 1] == b"\x59" else 2)
    size = len(data) - start - _TAIL_BYTES
    around = data[:start] + data[start + size : start + size + len(_SIGNATURE_HEAD)]
    fits = size >= 24 and around == _HEAD + _bytes_head(size) + _SIGNATURE_HEAD
    return data[start : start + size] if fits else None


def _bytes_head(size: int) -> bytes:
    """The head of a CBOR byte string of so many bytes."""
    if size < 24:
        return bytes((0x40 | size,))
    if size < 256:
        return bytes((0x58, size))
    return b"\x59" + size.to_bytes(2) if size < 65_536 else b"\x5a" + size.to_bytes(4)
