"""Target: COSE_Sign1, opened and verified."""

from __future__ import annotations

from fuzz.repair import repaired
from p2preg.base.errors import RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck, verify
from p2preg.wire import cbor
from p2preg.wire.envelope import PROTECTED, open_envelope, sign_envelope

BYTES_MAX = 4096
ALICE = IdentityKey(bytes(32))


def one_input(data: bytes) -> None:
    """What opens is the one envelope of its payload and signature; no bit of a signed one can be flipped."""
    for candidate in (data, repaired(data)):
        opens(candidate)
    payload = data[2 : BYTES_MAX // 2]
    envelope = sign_envelope(ALICE, payload)
    assert verifies(envelope) == payload
    flipped = bytearray(envelope)
    bit = int.from_bytes(data[:2]) % (len(flipped) * 8)
    flipped[bit // 8] ^= 1 << bit % 8
    assert verifies(bytes(flipped)) is None, f"bit {bit} does not matter"


def opens(data: bytes) -> None:
    try:
        opened = open_envelope(data, bytes_max=BYTES_MAX)
    except RemoteProtocolError:
        return
    assert cbor.encode([PROTECTED, {}, opened.payload, opened.signature]) == data
    assert len(data) <= BYTES_MAX


def verifies(data: bytes) -> bytes | None:
    """The payload, if `data` is an envelope that Alice signed."""
    try:
        opened = open_envelope(data, bytes_max=BYTES_MAX)
    except RemoteProtocolError:
        return None
    return opened.payload if verify(SignatureCheck(ALICE.public, opened.signed, opened.signature)) else None
