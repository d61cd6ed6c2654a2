"""Certificates: the identity goes in and comes out, and nothing else counts as one."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from p2preg.base.errors import RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.net.certificate import make_certificate, public_key_of

ALICE = IdentityKey(b"alice".ljust(32, b"."))


def test_the_certificate_carries_the_identity() -> None:
    assert public_key_of(make_certificate(ALICE)) == ALICE.public


def test_it_is_signed_by_the_identity_itself() -> None:
    make_certificate(ALICE).verify_directly_issued_by(make_certificate(ALICE))


def test_the_same_key_has_the_same_certificate_for_good() -> None:
    first, second = make_certificate(ALICE), make_certificate(ALICE)
    assert first.public_bytes(Encoding.DER) == second.public_bytes(Encoding.DER)


def test_no_clock_finds_it_too_young_or_too_old() -> None:
    certificate = make_certificate(ALICE)
    assert certificate.not_valid_before_utc.year <= 2000
    assert certificate.not_valid_after_utc.year == 9999


def _builder() -> x509.CertificateBuilder:
    now = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    name = x509.Name([])
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    )  # fmt: skip


def test_another_kind_of_key_is_no_identity() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _builder().public_key(key.public_key()).sign(key, hashes.SHA256())
    with pytest.raises(RemoteProtocolError, match="Ed25519"):
        public_key_of(certificate)


@pytest.mark.parametrize("point", [b"\x01" + bytes(31), bytes(32), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_key_of_small_order_is_no_identity(point: bytes) -> None:
    signer = Ed25519PrivateKey.from_private_bytes(ALICE.seed)
    certificate = _builder().public_key(Ed25519PublicKey.from_public_bytes(point)).sign(signer, None)
    with pytest.raises(RemoteProtocolError, match="small order"):
        public_key_of(certificate)
