"""Verification, by libsodium alone: it refuses small-order and non-canonical keys, for which OpenSSL accepts one
signature on every message. Two verifiers in one network would split it, so everything comes through here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import CryptoError


class SignatureCheck(NamedTuple):
    """A claim: `public_key` made `signature` over `message`."""

    public_key: bytes
    message: bytes
    signature: bytes


Verifier = Callable[[SignatureCheck], bool]


def verify(check: SignatureCheck) -> bool:
    """Whether the claim holds. Total: lengths that cannot be are false."""
    public_key, message, signature = check
    if len(public_key) != 32 or len(signature) != 64:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except CryptoError:
        return False
    return True


def verify_all(checks: Sequence[SignatureCheck]) -> list[bool]:
    """Each claim's verdict, in order. libsodium releases the GIL, so long lists belong in a worker thread."""
    return [verify(check) for check in checks]


def is_identity(public_key: bytes) -> bool:
    """Whether the bytes are a point of the prime-order subgroup, in canonical form: a key that can be an identity."""
    return len(public_key) == 32 and bool(crypto_core_ed25519_is_valid_point(public_key))
