"""Proofs that a client holds its key: the seq that must grow, and the signature over this session's nonce."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.presence import LOGIN, PRESENCE, proof_message

Role = Literal["node", "client"]


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a proof counts: it names the network, the registry, the address dialled and the nonce of the session."""

    network: str
    authority: str
    registry_id: bytes
    server_nonce: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """`seq`: Unix ms; `signature`: hex."""

    seq: int
    signature: str


class Prover:
    """Makes the proofs of one key, each greater than the last, at whichever registry."""

    def __init__(self, key: IdentityKey) -> None:
        self.key = key
        self.last_seq = 0

    def prove(self, role: Role, scene: Scene, now_ms: int) -> Proof:
        seq = max(self.last_seq + 1, now_ms)
        prefix = PRESENCE if role == "node" else LOGIN
        message = proof_message(prefix, scene.network, scene.authority, scene.registry_id, scene.server_nonce, seq)
        self.last_seq = seq
        return Proof(seq, self.key.sign(message).hex())
