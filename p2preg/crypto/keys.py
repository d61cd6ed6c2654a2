"""The identity key: Ed25519 (RFC 8032), kept as PKCS 8 PEM. Reading and writing files is `storage.keyfile`'s part."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from p2preg.base.errors import ConfigError
from p2preg.base.ids import short

SEED_BYTES = 32


class IdentityKey:
    """A private key that signs. Its public half is the identity of whoever holds it."""

    __slots__ = ("_secret", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 secret random bytes."""
        self.seed = seed
        self.public, self._secret = crypto_sign_seed_keypair(seed)

    def __repr__(self) -> str:
        return f"IdentityKey({short(self.public)})"

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        return crypto_sign(message, self._secret)[:64]

    def to_pem(self) -> bytes:
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def from_pem(cls, pem: bytes) -> IdentityKey:
        """Read an unencrypted PKCS 8 PEM; `ConfigError` when it is anything else."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(f"an unencrypted PKCS 8 PEM key was expected: {error}") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigError(f"an Ed25519 key was expected, got {type(private).__name__}")
        return cls(private.private_bytes_raw())


def work_bits(public_key: bytes) -> int:
    """Leading zero bits of the key's SHA-256: what admission by `work` counts (hashcash's measure)."""
    return 256 - int.from_bytes(hashlib.sha256(public_key).digest()).bit_length()
