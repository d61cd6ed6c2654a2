"""What a session signs: a Media Node's proof of presence, a client's login, a registry's hello (docs/rpc.md, Session).

Plain bytes, so that a client needs Ed25519 and nothing else. The prefixes keep the three apart: a login can never
become a lease. `network` and `authority` hold no zero byte, so the zero bytes between the parts are unambiguous."""

from __future__ import annotations

PRESENCE = b"p2preg-presence-1"
LOGIN = b"p2preg-auth-1"
HELLO = b"p2preg-hello-1"


def proof_message(
    prefix: bytes, network: str, authority: str, registry_id: bytes, server_nonce: bytes, seq: int
) -> bytes:
    """The bytes that a node (`PRESENCE`) or a client (`LOGIN`) signs to authenticate; `seq`: Unix ms, 64 bits."""
    head = b"\0".join((prefix, network.encode(), authority.encode()))
    return head + b"\0" + registry_id + server_nonce + seq.to_bytes(8)


def hello_message(network: str, registry_id: bytes, client_nonce: bytes, server_nonce: bytes) -> bytes:
    """The bytes that a registry signs in `session.hello`."""
    return b"\0".join((HELLO, network.encode(), registry_id)) + client_nonce + server_nonce
