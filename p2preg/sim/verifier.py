"""Signatures that a thousand registries in one process can afford. A forgery is refused as ever."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from hmac import compare_digest

from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck, Verifier, verify
from p2preg.wire.envelope import SIGNATURE_BYTES

VERDICTS_MAX = 65_536  # about 50 MB; a verdict that was forgotten is found again by checking


class RememberingVerifier:
    """Call it like `crypto.verify.verify`: each signature is checked once, and the verdict remembered."""

    def __init__(self, verify: Verifier = verify) -> None:
        self._remembered = lru_cache(VERDICTS_MAX)(verify)

    def __call__(self, check: SignatureCheck) -> bool:
        return self._remembered(check)


class QuickKey(IdentityKey):
    """An identity that signs by a keyed hash: a fiftieth of the work of Ed25519, and as hard to forge, but only
    `QuickVerifier`, which knows the secret, can check it."""

    __slots__ = ()

    def sign(self, message: bytes) -> bytes:
        return hashlib.blake2b(message, key=self.seed, digest_size=SIGNATURE_BYTES).digest()


class QuickVerifier:
    """Call it like `crypto.verify.verify`. It knows the keys that it made; for all others Ed25519 decides."""

    def __init__(self) -> None:
        self._keys: dict[bytes, QuickKey] = {}

    def key(self, seed: bytes) -> QuickKey:
        """The identity of these 32 bytes."""
        key = QuickKey(seed)
        self._keys[key.public] = key
        return key

    def __call__(self, check: SignatureCheck) -> bool:
        key = self._keys.get(check.public_key)
        return verify(check) if key is None else compare_digest(key.sign(check.message), check.signature)
