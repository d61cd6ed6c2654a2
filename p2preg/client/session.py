"""A greeted connection: the registry has proven who it is, and keys can be authenticated (docs/rpc.md, Session)."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from p2preg import __version__
from p2preg.client.config import DEFAULT, ClientConfig
from p2preg.client.connection import Connection, connect
from p2preg.client.errors import RpcError, Untrusted
from p2preg.client.proving import Proof, Prover, Role, Scene, unix_ms
from p2preg.client.replies import Hello, read
from p2preg.crypto.presence import hello_message
from p2preg.crypto.verify import SignatureCheck, verify

NONCE_BYTES = 32
PROOFS_MAX = 3  # one by our own clock, one by the registry's, one above what it knows; then the refusal stands
AGENT = f"p2preg-python/{__version__}"

T = TypeVar("T")


class Session:
    """A connection with what `session.hello` said, and the clock that counts here."""

    def __init__(self, connection: Connection, hello: Hello) -> None:
        self.connection = connection
        self.hello = hello
        self.scene = Scene(
            network=hello.network,
            authority=connection.target.authority,
            registry_id=bytes.fromhex(hello.registry_id),
            server_nonce=bytes.fromhex(hello.server_nonce),
        )
        self._ahead_ms = 0

    @property
    def url(self) -> str:
        return self.connection.target.url

    @property
    def registry_id(self) -> str:
        return self.hello.registry_id

    def now_ms(self) -> int:
        """Unix milliseconds: our clock's, or the registry's once it has said that they differ too much."""
        return unix_ms() + self._ahead_ms

    def set_clock(self, registry_ms: Any) -> None:
        """The registry's time is `registry_ms`; from here on it is ours too."""
        if type(registry_ms) is int:
            self._ahead_ms = registry_ms - unix_ms()

    async def call(self, method: str, params: Any = None) -> Any:
        return await self.connection.call(method, params)

    async def authenticate(self, prover: Prover, role: Role) -> Proof:
        """Prove to hold a key; for a node this is its proof of presence. The proof that was accepted."""
        public_key = prover.key.public.hex()

        async def attempt(proof: Proof) -> Proof:
            params = {
                "role": role,
                "public_key": public_key,
                "authority": self.scene.authority,
                "seq": proof.seq,
                "signature": proof.signature,
            }
            await self.call("session.authenticate", params)
            return proof

        return await self.proving(prover, role, attempt)

    async def proving(self, prover: Prover, role: Role, attempt: Callable[[Proof], Awaitable[T]]) -> T:
        """Give a proof with `attempt`; again when the registry says that our clock is off or the seq too small."""
        for remaining in reversed(range(PROOFS_MAX)):
            before = prover.last_seq
            try:
                return await attempt(prover.prove(role, self.scene, self.now_ms()))
            except RpcError as error:
                if error.reason == "auth.clock":
                    prover.last_seq = before  # refused for being far ahead, perhaps: not to be exceeded
                    self.set_clock(error.data.get("time_ms"))
                elif error.reason == "auth.stale" and type(error.data.get("current_seq")) is int:
                    prover.last_seq = max(before, error.data["current_seq"])
                else:
                    raise
                if not remaining:
                    raise
        raise AssertionError("the last attempt returns or raises")


@asynccontextmanager
async def open_session(
    url: str, *, tls: ssl.SSLContext | None = None, agent: str = AGENT, config: ClientConfig = DEFAULT
) -> AsyncIterator[Session]:
    """Connect and say hello. Raises as `connect` does, and `Untrusted` when the registry's signature does not hold."""
    async with connect(url, tls=tls, config=config) as connection:
        nonce = secrets.token_bytes(NONCE_BYTES)
        result = await connection.call("session.hello", {"agent": agent, "client_nonce": nonce.hex()})
        hello = read(result, Hello, f"{connection.target.url}: session.hello")
        check_hello(hello, nonce, connection.target.url)
        yield Session(connection, hello)


def check_hello(hello: Hello, nonce: bytes, url: str) -> None:
    """`Untrusted` unless the registry signed our nonce and its own with the key that it says is its identity."""
    registry_id = bytes.fromhex(hello.registry_id)
    message = hello_message(hello.network, registry_id, nonce, bytes.fromhex(hello.server_nonce))
    if not verify(SignatureCheck(registry_id, message, bytes.fromhex(hello.signature))):
        raise Untrusted(f"{url}: the signature in its hello is not by registry {hello.registry_id}")
