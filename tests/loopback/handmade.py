"""The bytes of the contract, put together by hand: proofs, signed adverts, versions, digests. Nothing of p2preg.

Built so that each part can also be wrong."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ATTRIBUTES: dict[str, Any] = {
    "kind": "sfu",
    "endpoints": [{"purpose": "signalling", "url": "wss://sfu.example.net/ws"}],
    "codecs": ["audio/opus", "video/VP8"],
}

FULL: dict[str, Any] = {
    **ATTRIBUTES,
    "endpoints": [{"purpose": "whip", "url": "https://a.example/whip"}, {"purpose": "turn", "url": "turn:a.example"}],
    "country": "NL",
    "city": "Amsterdam",
    "latitude": 52.370216,
    "longitude": -4.895168,
    "asn": 64512,
    "network_type": "datacenter",
    "software": {"name": "example-sfu", "version": "1.2.3"},
    "features": ["simulcast", "svc"],
    "capacity": {"max_participants": 500, "max_rooms": 50, "uplink_bps": 10**9, "cores": 16, "memory_bytes": 2**36},
    "operator": "ab" * 32,
    "labels": {"tier": "gold", "with.dot": "ünïcode"},
}
HALF_HOUR_MS = 30 * 60_000  # life of a lease after its proof
DAY_MS = 24 * 3_600_000  # life of an advert


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Key:
    """An Ed25519 key of a media node or a reporter, and the seqs that it has used."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public: bytes = self._private.public_key().public_bytes_raw()
        self.id = self.public.hex()
        self._last_seq = 0

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def next_seq(self) -> int:
        self._last_seq = max(self._last_seq + 1, now_ms())
        return self._last_seq


def proof_bytes(hello: Mapping[str, Any], authority: str, seq: int, *, prefix: bytes = b"p2preg-presence-1") -> bytes:
    """What a login signs."""
    text = prefix + b"\0" + hello["network"].encode() + b"\0" + authority.encode() + b"\0"
    nonces = bytes.fromhex(hello["registry_id"]) + bytes.fromhex(hello["server_nonce"])
    return text + nonces + seq.to_bytes(8, "big")


def hello_bytes(hello: Mapping[str, Any], client_nonce: str) -> bytes:
    """What the registry signs in its hello."""
    text = b"p2preg-hello-1\0" + hello["network"].encode() + b"\0"
    return text + b"".join(bytes.fromhex(part) for part in (hello["registry_id"], client_nonce, hello["server_nonce"]))


def verifies(public_key: str, signature: str, message: bytes) -> None:
    """Raises unless the signature holds."""
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)


# --- cells and versions, by hand ----------------------------------------------------------------------------------


def advert_body(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes in replicated units."""
    body = dict(attributes)
    for name in ("latitude", "longitude"):
        if name in body:
            body[f"{name}_udeg"] = round(body.pop(name) * 1_000_000)
    if "operator" in body:
        body["operator"] = bytes.fromhex(body["operator"])
    return body


def signed_cell(key: Key, payload: Mapping[int, Any]) -> bytes:
    """An untagged COSE_Sign1 over a payload."""
    protected = bytes.fromhex("a10132")  # {1: -19}
    encoded = cbor2.dumps(payload, canonical=True)
    to_sign = cbor2.dumps(["Signature1", protected, b"", encoded])
    return cbor2.dumps([protected, {}, encoded, key.sign(to_sign)])


def advert_payload(key: Key, network: str, attributes: Mapping[str, Any], **changes: Any) -> dict[int, Any]:
    """The payload of a signed advert. `changes`: subject, kind, seq, writer instead of what they should be."""
    payload: dict[int, Any] = {
        0: 1,
        1: network,
        2: changes.get("subject", key.public),
        3: changes.get("kind", 2),
        4: changes.get("seq", now_ms()),
        5: advert_body(attributes),
    }
    if "writer" in changes:
        payload[6] = changes["writer"]
    return payload


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_advert(key: Key, network: str, attributes: Mapping[str, Any], **changes: Any) -> str:
    return base64url(signed_cell(key, advert_payload(key, network, attributes, **changes)))


def version_by_hand(
    node_id: str, attributes: Mapping[str, Any], attested_by: str, state: Mapping[str, Any], contact: str
) -> str:
    """The version of a node, from the contract's formula."""
    body_hash = hashlib.sha256(cbor2.dumps(advert_body(attributes), canonical=True)).digest()
    parts = ["p2preg-version-1", bytes.fromhex(node_id), body_hash, attested_by, state, contact]
    return hashlib.sha256(cbor2.dumps(parts, canonical=True)).hexdigest()[:32]


def digest_by_hand(versions: Mapping[str, str]) -> str:
    """The digest of what a subscriber holds: node id → version."""
    return f"{sum(int(version, 16) for version in versions.values()) % 2**128:032x}"
