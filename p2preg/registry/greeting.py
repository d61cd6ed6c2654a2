"""`session.hello`: who this registry is, and its limits."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from p2preg import __version__
from p2preg.base.errors import Refused
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.presence import hello_message
from p2preg.registry import params, results
from p2preg.registry.limits import (
    BATCH_MAX,
    IN_FLIGHT_MAX,
    KEYS_PER_SESSION_MAX,
    MESSAGE_BYTES_MAX,
    QUEUE_EVENTS_MAX,
    SUBSCRIPTIONS_PER_SESSION_MAX,
)
from p2preg.registry.sessions import Session

LIMITS = results.Limits(
    message_bytes=MESSAGE_BYTES_MAX,
    batch=BATCH_MAX,
    in_flight=IN_FLIGHT_MAX,
    subscriptions=SUBSCRIPTIONS_PER_SESSION_MAX,
    queue_events=QUEUE_EVENTS_MAX,
    keys=KEYS_PER_SESSION_MAX,
)


class Greeting:
    """Answers hello, once a session."""

    def __init__(
        self,
        key: IdentityKey,
        network: str,
        epoch: int,
        rpc_url: str,
        failover: Callable[[], list[results.Failover]],
    ) -> None:
        self._key = key
        self._network = network
        self._epoch = epoch
        self._rpc_url = rpc_url
        self._failover = failover

    def greet(self, session: Session, request: params.Hello, now_ms: int) -> results.Greeted:
        """The answer, signed over the client's nonce if it gave one. -32600 the second time."""
        if session.greeted:
            raise Refused(-32600, "request.invalid", "session.hello comes once in a session")
        session.greeted = True
        session.agent = request.agent
        nonce = bytes.fromhex(request.client_nonce) if request.client_nonce is not None else b""
        message = hello_message(self._network, self._key.public, nonce, session.nonce)
        return results.Greeted(
            registry_id=self._key.public.hex(),
            epoch=self._epoch,
            network=self._network,
            version=__version__,
            server_nonce=session.nonce.hex(),
            time_ms=now_ms,
            rpc=self._rpc_url,
            peers=self._failover(),
            limits=LIMITS,
            signature=self._key.sign(message).hex() if nonce else UNSET,
        )
