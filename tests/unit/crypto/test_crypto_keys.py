"""The identity key: RFC 8032's vectors, and every PEM file that is not one."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from p2preg.base.errors import ConfigError
from p2preg.crypto.keys import IdentityKey, work_bits

# RFC 8032 section 7.1, tests 1 to 3: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
]
SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PKCS8 = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def pem(der: bytes) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der) + b"\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_keys_and_signatures_are_those_of_the_rfc(secret: str, public: str, message: str, signature: str) -> None:
    key = IdentityKey(bytes.fromhex(secret))
    assert key.public.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature


def test_a_key_survives_its_pem_which_other_tools_read_and_write() -> None:
    key = IdentityKey(SEED)
    assert IdentityKey.from_pem(key.to_pem()).public == key.public
    assert key.to_pem() == pem(PKCS8)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(100), id="zeros"),
        pytest.param(pem(PKCS8[:-1]), id="cut short"),
        pytest.param(pem(PKCS8 + b"\0"), id="a trailing byte"),
        pytest.param(PKCS8, id="DER"),
        pytest.param(
            KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")), id="encrypted"
        ),
        pytest.param(KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), id="OpenSSH"),
        pytest.param(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), id="public"),
        pytest.param(
            X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), id="X25519"
        ),
        pytest.param(pem(PKCS8.replace(bytes.fromhex("2b6570"), bytes.fromhex("2b6509"))), id="an unknown algorithm"),
    ],
)
def test_what_is_no_plain_ed25519_pem_is_the_operators_error(data: bytes) -> None:
    with pytest.raises(ConfigError, match="was expected"):
        IdentityKey.from_pem(data)


def test_a_key_shows_the_start_of_its_public_half_and_no_secret() -> None:
    key = IdentityKey(SEED)
    assert repr(key) == f"IdentityKey({key.public.hex()[:8]})"
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_another_length_makes_no_key(length: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        IdentityKey(bytes(length))


def test_work_is_counted_in_leading_zero_bits_of_the_hash() -> None:
    for n in range(300):
        candidate = n.to_bytes(32)
        bits = f"{int.from_bytes(hashlib.sha256(candidate).digest()):0256b}"
        assert work_bits(candidate) == len(bits) - len(bits.lstrip("0"))
    assert max(work_bits(n.to_bytes(32)) for n in range(300)) >= 6
