"""Between the units of the field, which clients speak, and the integers that are replicated (docs/rpc.md, Units)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from p2preg.index.schema import replicated

MICRO = 1_000_000

HexId = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="a 32-byte public key in lowercase hex")]
Nonce = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="32 bytes in lowercase hex")]
HexSignature = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$", description="an Ed25519 signature in lowercase hex")]
HexDigest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$", description="16 bytes in lowercase hex")]
UnixMs = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Unix milliseconds")]


def to_micro(value: float) -> int:
    """A number as millionths, rounded half to even on its shortest decimal form (2.0000005 is a tie)."""
    return replicated(value, MICRO)


def from_micro(value: int) -> float:
    """Millionths as a number."""
    return value / MICRO
