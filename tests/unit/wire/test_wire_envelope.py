"""COSE_Sign1 against published vectors, a second Ed25519 and bytes put together by hand."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from p2preg.base.errors import RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck, verify
from p2preg.wire import envelope
from p2preg.wire.cbor import NotCanonical
from p2preg.wire.envelope import open_envelope, sig_structure, sign_envelope

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "envelope.json").read_text())
ALICE = IdentityKey(bytes(range(32)))

# cose-wg/Examples, eddsa-examples/eddsa-sig-01.json. Its protected header is {1: -8, 3: 0}: RFC 9864 had not yet given
# Ed25519 a number of its own. The key is that of RFC 8032 section 7.1 test 1.
COSE_WG_SIGN1 = bytes.fromhex(
    "d28445a201270300a10442313154546869732069732074686520636f6e74656e742e58407142fd2ff96d56db85bee905a76ba1d0b7321a95"
    "c8c4d3607c5781932b7afb8711497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08f4a44d6fef0d"
)
COSE_WG_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def test_the_sig_structure_is_that_of_the_cose_working_groups_example(monkeypatch: pytest.MonkeyPatch) -> None:
    protected, _, payload, signature = cbor2.loads(COSE_WG_SIGN1).value
    head = b"\x84" + cbor2.dumps("Signature1") + cbor2.dumps(protected) + b"\x40"
    monkeypatch.setattr(envelope, "_SIGNED_HEAD", head)
    assert verify(SignatureCheck(COSE_WG_KEY, sig_structure(payload), signature))


def test_the_bytes_are_these() -> None:
    signed = bytes.fromhex("84" "6a5369676e617475726531" "43a10132" "40" "42abcd")
    assert sig_structure(b"\xab\xcd") == signed
    signature = Ed25519PrivateKey.from_private_bytes(ALICE.seed).sign(signed)
    assert sign_envelope(ALICE, b"\xab\xcd") == bytes.fromhex("84" "43a10132" "a0" "42abcd" "5840") + signature


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda vector: f"{len(vector['payload']) // 2} bytes")
def test_the_vectors_hold_under_a_second_implementation_of_ed25519(vector: dict[str, str]) -> None:
    seed, public, payload, signed, data = (
        bytes.fromhex(vector[name]) for name in ("seed", "public_key", "payload", "sig_structure", "bytes")
    )
    opened = open_envelope(data, bytes_max=len(data))
    assert (opened.payload, opened.signed) == (payload, signed)
    assert sign_envelope(IdentityKey(seed), payload) == data
    Ed25519PublicKey.from_public_bytes(public).verify(opened.signature, signed)


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["case"])
def test_what_is_not_exactly_our_sign1_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(RemoteProtocolError):
        open_envelope(bytes.fromhex(vector["bytes"]), bytes_max=4096)


@pytest.mark.parametrize("data", [b"\x00", b"\x80", b"\xa0", b"\x84\x00\x00\x00\x00", b"\x84\x40\xa0\x60\x40"])
def test_a_value_that_is_no_sign1_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="COSE_Sign1 array"):
        open_envelope(data, bytes_max=4096)


def test_any_flipped_bit_is_refused_or_fails_to_verify() -> None:
    data = sign_envelope(ALICE, b"alice was here")
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            opened = open_envelope(bytes(flipped), bytes_max=4096)
        except RemoteProtocolError:
            continue
        assert not verify(SignatureCheck(ALICE.public, opened.signed, opened.signature))


def test_an_envelope_longer_than_its_bound_is_not_read() -> None:
    data = sign_envelope(ALICE, bytes(100))
    assert open_envelope(data, bytes_max=len(data)).payload == bytes(100)
    with pytest.raises(NotCanonical, match="at most"):
        open_envelope(data, bytes_max=len(data) - 1)


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 257, 4_000, 65_535, 65_536])
def test_an_envelope_is_the_canonical_array_whatever_its_size(size: int) -> None:
    payload, alice = bytes(size), IdentityKey(bytes(32))
    data = sign_envelope(alice, payload)
    opened = open_envelope(data, bytes_max=len(data))
    assert data == cbor2.dumps([envelope.PROTECTED, {}, payload, opened.signature], canonical=True)
    assert opened.payload == payload
    assert opened.signed == cbor2.dumps(["Signature1", envelope.PROTECTED, b"", payload], canonical=True)


@pytest.mark.parametrize("size", [24, 256])
def test_a_length_in_a_longer_form_is_refused(size: int) -> None:
    data = sign_envelope(IdentityKey(bytes(32)), bytes(size))
    head = cbor2.dumps(bytes(size))[:-size]
    longer = b"\x59" + size.to_bytes(2) if size < 256 else b"\x5a" + size.to_bytes(4)
    with pytest.raises(NotCanonical):
        open_envelope(data.replace(head + bytes(size), longer + bytes(size)), bytes_max=5_000)
