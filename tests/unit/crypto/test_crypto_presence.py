"""The bytes that a session signs, letter by letter: other implementations sign them too."""

from __future__ import annotations

from typing import Any

import pytest

from p2preg.crypto.presence import HELLO, LOGIN, PRESENCE, hello_message, proof_message

REGISTRY, CLIENT_NONCE, SERVER_NONCE = b"R" * 32, b"c" * 32, b"s" * 32


def test_a_proof_of_presence_is_these_bytes() -> None:
    assert proof_message(PRESENCE, "demo", "sfu.example:8443", REGISTRY, SERVER_NONCE, 1_790_000_000_000) == (
        b"p2preg-presence-1\0demo\0sfu.example:8443\0" + REGISTRY + SERVER_NONCE + bytes.fromhex("000001a0c4506c00")
    )


def test_a_registrys_hello_is_these_bytes() -> None:
    assert hello_message("demo", REGISTRY, CLIENT_NONCE, SERVER_NONCE) == (
        b"p2preg-hello-1\0demo\0" + REGISTRY + CLIENT_NONCE + SERVER_NONCE
    )


def test_no_kind_of_message_can_be_taken_for_another() -> None:
    prefixes = [PRESENCE, LOGIN, HELLO]
    assert not any(a.startswith(b) for a in prefixes for b in prefixes if a is not b)
    assert all(b"\0" not in prefix for prefix in prefixes)


def test_every_part_of_a_proof_is_signed() -> None:
    parts: list[Any] = [PRESENCE, "demo", "alice:1", REGISTRY, SERVER_NONCE, 7]
    others = [LOGIN, "demo2", "alice:2", b"S" * 32, b"t" * 32, 8]
    variants = [[*parts[:n], other, *parts[n + 1 :]] for n, other in enumerate(others)]
    assert len({proof_message(*variant) for variant in [parts, *variants]}) == 7


@pytest.mark.parametrize("seq", [-1, 2**64])
def test_a_seq_beyond_64_bits_is_our_own_bug(seq: int) -> None:
    with pytest.raises(OverflowError):
        proof_message(LOGIN, "demo", "alice:1", REGISTRY, SERVER_NONCE, seq)
