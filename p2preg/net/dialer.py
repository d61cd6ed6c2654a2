"""Outbound links: a few dials at a time, one per endpoint and one per peer, each under a deadline. It does not retry:
when to try again is the node's decision.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from p2preg.base.address import Address, parse_address
from p2preg.base.errors import ConfigError, RemoteProtocolError
from p2preg.base.ids import short
from p2preg.net.config import LinkConfig
from p2preg.net.handshake import LinkInfo, LinkRefused
from p2preg.net.link import Failure, Link, contained
from p2preg.net.links import LinkTable
from p2preg.net.tls import WrongPeer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DialRequest:
    """`expected_id` None: whoever answers at `endpoint`."""

    endpoint: str
    expected_id: bytes | None

    def conflicts(self, other: DialRequest) -> bool:
        """Whether the two may reach one peer, so that one must wait for the other."""
        same_peer = self.expected_id is not None and self.expected_id == other.expected_id
        return same_peer or self.endpoint == other.endpoint


class Dialer:
    """Requests wait in order; identical ones are one."""

    def __init__(
        self,
        dial: Callable[[trio.abc.Stream, str, DialGate], Awaitable[Link]],
        carry: Callable[[Link], Awaitable[None]],
        on_failed: Callable[[DialRequest, str], None],
        table: LinkTable,
        config: LinkConfig,
    ) -> None:
        """`dial` does the handshake, asking its gate; `carry` runs the link it made, until it ends."""
        self._dial = dial
        self._carry = carry
        self._on_failed = on_failed
        self._table = table
        self._config = config
        self._waiting: dict[DialRequest, None] = {}
        self._running: dict[DialRequest, None] = {}
        self._greeting: dict[bytes, None] = {}  # peers with whom a dial is exchanging Hello
        self._wake = trio.Event()

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def request(self, request: DialRequest) -> None:
        """Dial when it is its turn; beyond the cap on those that wait it fails at once."""
        if request in self._running or request in self._waiting:
            return
        if len(self._waiting) >= self._config.dials_waiting_max:
            self._on_failed(request, f"{self._config.dials_waiting_max} dials are waiting already")
            return
        self._waiting[request] = None
        self._wake.set()

    async def run(self, nursery: trio.Nursery) -> None:
        """Start dials until cancelled; they, and the links that they make, live in `nursery`."""
        while True:
            while (request := self._next()) is not None:
                del self._waiting[request]
                self._running[request] = None
                nursery.start_soon(self._attempt, request)
            await self._wake.wait()
            self._wake = trio.Event()

    def _next(self) -> DialRequest | None:
        if len(self._running) >= self._config.dials_max:
            return None
        for request in self._waiting:
            if not any(request.conflicts(other) for other in self._running):
                return request
        return None

    async def _attempt(self, request: DialRequest) -> None:
        gate = DialGate(request.expected_id, self._table, self._greeting)
        try:
            link = await contained(request.endpoint, lambda: self._connect(request, gate))
        finally:
            gate.leave()
            del self._running[request]
            self._wake.set()
        if isinstance(link, Failure):
            logger.info("dial failed endpoint=%s reason=%s", request.endpoint, link.reason)
            self._on_failed(request, link.reason)
        else:
            await self._carry(link)

    async def _connect(self, request: DialRequest, gate: DialGate) -> Link:
        address = _dialable(request.endpoint)
        try:
            with trio.fail_after(self._config.connect_seconds):
                stream = await trio.open_tcp_stream(address.host, address.port)
        except trio.TooSlowError:
            raise RemoteProtocolError(f"no connection within {self._config.connect_seconds} s") from None
        return await self._dial(stream, request.endpoint, gate)


class DialGate:
    """The gatekeeper of one dial: the peer is the one that was dialled, and this is our only dial to it."""

    def __init__(self, expected_id: bytes | None, table: LinkTable, greeting: dict[bytes, None]) -> None:
        self._expected_id = expected_id
        self._table = table
        self._greeting = greeting
        self._peer: bytes | None = None

    def check_peer(self, peer: bytes) -> None:
        self._table.check_peer(peer)
        if self._expected_id not in (None, peer):
            raise WrongPeer(f"{short(self._expected_id or b'')} was dialled, {short(peer)} answered")
        if peer in self._greeting:
            raise LinkRefused("another dial has reached this peer")
        self._table.check_dial(peer, named=self._expected_id is not None)
        self._greeting[peer] = None
        self._peer = peer

    def check_link(self, info: LinkInfo) -> None:
        self._table.check_link(info)

    def leave(self) -> None:
        if self._peer is not None:
            del self._greeting[self._peer]


def _dialable(endpoint: str) -> Address:
    address = parse_address(endpoint)
    if address.port == 0 or address.is_wildcard:
        raise ConfigError(f"{endpoint} can be listened on, but not dialled")
    return address
