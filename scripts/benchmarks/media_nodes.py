"""The workload: media nodes of about 400 bytes, as the peers were given, and the keys that speak for them."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

REGIONS = ("eu-west", "eu-central", "us-east", "us-west", "ap-south", "ap-east", "sa-east", "af-south")
COUNTRIES = ("DE", "NL", "US", "JP", "BR", "IN", "ZA", "FR")
CODECS = ("audio/opus", "video/VP8", "video/VP9", "video/H264", "video/AV1")


class MediaKey:
    """An Ed25519 key and the seqs that it has used."""

    def __init__(self, rng: Random) -> None:
        self.public, self._secret = crypto_sign_seed_keypair(rng.randbytes(32))
        self.id = self.public.hex()
        self._last_seq = 0

    def prove(self, hello: dict[str, Any], authority: str) -> tuple[int, str]:
        """A proof of presence at the registry of this hello: its seq and signature."""
        self._last_seq = max(self._last_seq + 1, time.time_ns() // 1_000_000)
        message = b"\0".join((b"p2preg-presence-1", hello["network"].encode(), authority.encode())) + b"\0"
        message += bytes.fromhex(hello["registry_id"]) + bytes.fromhex(hello["server_nonce"])
        message += self._last_seq.to_bytes(8)
        return self._last_seq, crypto_sign(message, self._secret)[:64].hex()


def keys(count: int, seed: int = 1) -> list[MediaKey]:
    rng = Random(seed)
    return [MediaKey(rng) for _ in range(count)]


def attributes(rng: Random, number: int) -> dict[str, Any]:
    """One media node's description."""
    at = rng.randrange(len(REGIONS))
    host = f"sfu-{number}.{REGIONS[at]}.example.net"
    return {
        "kind": "sfu",
        "endpoints": [
            {"purpose": "signalling", "url": f"wss://{host}/ws"},
            {"purpose": "control", "url": f"https://{host}:8443/api"},
        ],
        "region": REGIONS[at],
        "country": COUNTRIES[at],
        "latitude": rng.randrange(-60_000_000, 70_000_000) / 1_000_000,
        "longitude": rng.randrange(-180_000_000, 180_000_000) / 1_000_000,
        "codecs": sorted(rng.sample(CODECS, 3)),
        "capacity": {"max_participants": rng.randrange(50, 2_000), "uplink_bps": rng.randrange(1, 40) * 250_000_000},
        "software": {"name": "sfu", "version": f"1.{rng.randrange(9)}.{rng.randrange(9)}"},
        "labels": {"tier": rng.choice(("gold", "silver"))},
    }


def descriptions(count: int, seed: int = 2) -> list[dict[str, Any]]:
    rng = Random(seed)
    return [attributes(rng, number) for number in range(count)]
