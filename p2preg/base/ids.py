"""Identities. A registry, a Media Node and a client are each a 32-byte Ed25519 public key (RFC 8032)."""

from __future__ import annotations

ID_BYTES = 32


def short(identity: bytes) -> str:
    """The first eight hex digits: enough for a log line or a table, never for a comparison."""
    return identity[:4].hex()
