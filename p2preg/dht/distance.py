"""The metric of the Kademlia paper, section 2.1: ids are 256-bit numbers, their distance is their XOR."""

from __future__ import annotations

import hashlib

ID_BITS = 256


def routing_id(public_key: bytes) -> bytes:
    """Where `public_key` stands in the routing table: its SHA-256, 32 bytes. Hashing makes a position cost keys."""
    return hashlib.sha256(public_key).digest()


def distance(one: bytes, other: bytes) -> int:
    """The XOR of two routing ids, as a number."""
    return int.from_bytes(one) ^ int.from_bytes(other)
