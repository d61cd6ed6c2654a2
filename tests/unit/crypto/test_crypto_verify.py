"""One verdict for the whole network, also on the signatures over which implementations of Ed25519 disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck, is_identity, verify, verify_all

# "Taming the many EdDSAs". Run on the same twelve, OpenSSL 3 (through cryptography 50) accepts 0, 1, 2, 3 and 11:
# signatures that bind neither their message nor their key among them.
TAMING = json.loads((Path(__file__).parents[2] / "vectors" / "eddsa.json").read_text())["vectors"]
IDENTITY_POINT = b"\x01" + bytes(31)
ORDER = 2**252 + 27742317777372353535851937790883648493
ALICE, BOB = IdentityKey(bytes(32)), IdentityKey(bytes([1]) * 32)

SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NOT_CANONICAL = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ff" * 32,
]


def check(key: IdentityKey, message: bytes) -> SignatureCheck:
    return SignatureCheck(key.public, message, key.sign(message))


@pytest.mark.parametrize("vector", TAMING, ids=lambda vector: vector["case"])
def test_the_verdict_is_the_one_published_for_libsodium(vector: dict[str, Any]) -> None:
    claim = SignatureCheck(*(bytes.fromhex(vector[name]) for name in ("public_key", "message", "signature")))
    assert verify(claim) is vector["accepted"]


def test_there_are_twelve_vectors_of_which_one_is_accepted() -> None:
    assert [vector["number"] for vector in TAMING] == list(range(12))
    assert [vector["number"] for vector in TAMING if vector["accepted"]] == [3]


def test_the_one_accepted_vector_is_under_a_key_that_is_no_identity() -> None:
    assert not is_identity(bytes.fromhex(TAMING[3]["public_key"]))


@pytest.mark.parametrize("point", SMALL_ORDER + NOT_CANONICAL)
def test_a_key_of_small_order_or_in_another_form_is_no_identity_and_verifies_nothing(point: str) -> None:
    key = bytes.fromhex(point)
    assert not is_identity(key)
    assert not verify(SignatureCheck(key, b"any message", IDENTITY_POINT + bytes(32)))
    assert not verify(SignatureCheck(key, b"any message", key + bytes(32)))


def test_bytes_that_are_no_point_are_no_identity() -> None:
    assert not is_identity(b"\x02" + bytes(31))
    assert not is_identity(b"")
    assert not is_identity(ALICE.public + b"\0")
    assert not is_identity(ALICE.public[:31])
    assert is_identity(ALICE.public)


def test_a_signature_holds_for_its_key_and_its_message_only() -> None:
    claim = check(ALICE, b"message")
    assert verify(claim)
    assert not verify(claim._replace(message=b"massage"))
    assert not verify(claim._replace(public_key=BOB.public))
    assert not verify(claim._replace(signature=BOB.sign(b"message")))


def test_adding_the_group_order_to_s_makes_no_second_signature() -> None:
    claim = check(ALICE, b"message")
    s = int.from_bytes(claim.signature[32:], "little")
    assert not verify(claim._replace(signature=claim.signature[:32] + (s + ORDER).to_bytes(32, "little")))


@pytest.mark.parametrize("key_bytes", [0, 31, 33])
@pytest.mark.parametrize("signature_bytes", [0, 63, 65, 128])
def test_lengths_that_cannot_be_are_false_and_no_error(key_bytes: int, signature_bytes: int) -> None:
    assert not verify(SignatureCheck(bytes(key_bytes), b"", bytes(64)))
    assert not verify(SignatureCheck(ALICE.public, b"", bytes(signature_bytes)))


def test_verdicts_come_in_the_order_of_the_claims() -> None:
    good, bad = check(ALICE, b"1"), check(BOB, b"2")._replace(message=b"3")
    assert verify_all([good, bad, bad, good]) == [True, False, False, True]
    assert verify_all([]) == []
