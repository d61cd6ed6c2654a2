"""Who is on the other end of a websocket: nonces, and the keys that it has proven to hold (docs/rpc.md, Session)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from p2preg.base.errors import Refused
from p2preg.cells.lease import Proof
from p2preg.crypto.presence import LOGIN, PRESENCE, proof_message
from p2preg.crypto.verify import SignatureCheck, Verifier, is_identity
from p2preg.registry.limits import KEYS_PER_SESSION_MAX

Role = Literal["node", "client"]
AHEAD_MS_MAX = 60_000
BEHIND_MS_MAX = 300_000
PROOF_AGE_MS_MAX = 600_000  # an older proof does not make this registry a home

_LOOPBACK = re.compile(r"^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$")


@dataclass(slots=True)
class Session:
    """One websocket client."""

    number: int
    address: str
    group: str
    nonce: bytes
    greeted: bool = False
    agent: str | None = None
    proofs: dict[bytes, Proof] = field(default_factory=dict)  # of role node, the newest per key
    clients: dict[bytes, None] = field(default_factory=dict)
    displaced: dict[bytes, None] = field(default_factory=dict)

    @property
    def authenticated(self) -> bool:
        return bool(self.proofs or self.clients)


@dataclass(frozen=True, slots=True)
class Authorities:
    """The `host:port`s by which this registry may be dialled: a proof for any other is a relay's."""

    names: tuple[str, ...]
    port: int

    @property
    def all_loopback(self) -> bool:
        return all(_LOOPBACK.match(name.rpartition(":")[0]) for name in self.names)

    def accept(self, authority: str) -> bool:
        if authority in self.names:
            return True
        host, _, port = authority.rpartition(":")
        ours = {name.rpartition(":")[2] for name in self.names} | {str(self.port)}
        return self.all_loopback and bool(_LOOPBACK.match(host)) and port in ours


@dataclass(frozen=True, slots=True)
class Login:
    """A claim to hold a key, as a client sent it."""

    role: Role
    public_key: bytes
    authority: str
    seq: int
    signature: bytes


class Gate:
    """Judges logins and renewed proofs for one registry."""

    def __init__(self, registry_id: bytes, network: str, authorities: Authorities, verify: Verifier) -> None:
        self.verify = verify
        self._registry_id = registry_id
        self._network = network
        self._authorities = authorities

    def admit(self, session: Session, login: Login, greatest_seq: int, now_ms: int) -> Proof:
        """Check a login; the session then holds the key. `greatest_seq`: the proof of the node's greatest held lease,
        0 for a client. Raises `Refused` with an `auth.*` reason."""
        if not self._authorities.accept(login.authority):
            raise Refused(
                -32001,
                "auth.wrong_authority",
                f"{login.authority!r} is not this registry; it is {', '.join(self._authorities.names)}",
            )
        holds = login.public_key in session.proofs or login.public_key in session.clients
        if not holds and len(session.proofs) + len(session.clients) >= KEYS_PER_SESSION_MAX:
            raise Refused(-32005, "limit.keys", f"a session holds at most {KEYS_PER_SESSION_MAX} keys")
        proof = self.prove(session, login, now_ms)
        if login.role == "client":
            session.clients[login.public_key] = None
            return proof
        known = session.proofs.get(login.public_key)
        greatest = max(greatest_seq, known.seq if known else 0)
        if login.seq <= greatest:
            raise stale_proof(login.seq, greatest)
        session.proofs[login.public_key] = proof
        session.displaced.pop(login.public_key, None)
        return proof

    def prove(self, session: Session, login: Login, now_ms: int) -> Proof:
        """The proof that a login makes, if its clock and signature are good."""
        if not now_ms - BEHIND_MS_MAX <= login.seq <= now_ms + AHEAD_MS_MAX:
            raise Refused(
                -32001,
                "auth.clock",
                f"seq {login.seq} is not within 5 min behind and 60 s ahead of this registry's time {now_ms}",
                time_ms=now_ms,
            )
        prefix = PRESENCE if login.role == "node" else LOGIN
        message = proof_message(
            prefix, self._network, login.authority, self._registry_id, session.nonce, login.seq
        )
        claim = SignatureCheck(login.public_key, message, login.signature)
        if not is_identity(login.public_key) or not self.verify(claim):
            raise Refused(
                -32001,
                "auth.bad_signature",
                f"the signature is not by this key over the {prefix.decode()} bytes of this session",
            )
        return Proof(login.authority, session.nonce, login.seq, login.signature)


def stale_proof(seq: int, current_seq: int) -> Refused:
    return Refused(
        -32001,
        "auth.stale",
        f"a proof with a seq above {current_seq} is needed, got {seq}",
        current_seq=current_seq,
    )
