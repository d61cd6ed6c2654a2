"""The websocket server: accepts sessions within limits, and carries the core's answers to them."""

from __future__ import annotations

import ipaddress
import itertools
import logging
import secrets
import ssl
from collections import Counter
from dataclasses import dataclass
from typing import Any

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    WebSocketRequest,
    wrap_server_stream,
)
from wsproto.utilities import ProtocolError

from p2preg.base.address import Address, prefix_of
from p2preg.base.errors import Refused
from p2preg.registry import events
from p2preg.registry.limits import MESSAGE_BYTES_MAX, SESSIONS_MAX, SESSIONS_PER_PREFIX_MAX
from p2preg.rpc.gathering import GatheringStream
from p2preg.rpc.outbox import OUTBOX_BYTES_TOTAL_MAX, Outbox, Total
from p2preg.rpc.session import CLOSE_SECONDS, OVERLOADED, Core, RpcSession

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0  # TLS and the websocket's upgrade
HANDSHAKES_MAX = 512  # under way; beyond, connections are closed at accept
STOP_SECONDS = 3.0  # for all sessions to close
GOING_AWAY = 1001

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """`exempt_loopback`: quotas by address do not count loopback, as all published addresses are loopback.
    `trusted_proxies`: from these, X-Forwarded-For says who the client is."""

    exempt_loopback: bool = True
    trusted_proxies: tuple[Network, ...] = ()
    tls: ssl.SSLContext | None = None


class RpcServer:
    """All sessions. It is the driver's `Clients`."""

    def __init__(self, core: Core, config: RpcConfig) -> None:
        self._core = core
        self._config = config
        self._numbers = itertools.count(1)
        self._sessions: dict[int, RpcSession] = {}
        self._groups: Counter[str] = Counter()
        self._unsent = Total()
        self._handshakes = 0
        self._scope = trio.CancelScope()
        self._closed = trio.Event()

    def __len__(self) -> int:
        return len(self._sessions)

    async def run(
        self, listeners: list[trio.SocketListener], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled or `stop`ped."""
        async with trio.open_nursery() as sessions:
            with self._scope:
                task_status.started()
                await trio.serve_listeners(self._accept, listeners, handler_nursery=sessions)
            for session in list(self._sessions.values()):
                sessions.start_soon(session.finish, GOING_AWAY, "stopping")
            with trio.move_on_after(STOP_SECONDS):
                while self._sessions:
                    self._closed = trio.Event()
                    await self._closed.wait()
            sessions.cancel_scope.cancel()

    def stop(self) -> None:
        """Take no more sessions and close those there are, with 1001."""
        self._scope.cancel()

    # --- the driver's Clients -----------------------------------------------------------------------------------

    def reply(self, session: int, call: int, result: Any) -> None:
        found = self._sessions.get(session)
        if found is not None:
            found.reply(call, result)
            self._bound_memory()

    def fail(self, session: int, call: int, error: Refused) -> None:
        found = self._sessions.get(session)
        if found is not None:
            found.fail(call, error)

    def notify(self, session: int, method: str, params: Any) -> None:
        found = self._sessions.get(session)
        if found is not None:
            found.notify(method, params)
            self._bound_memory()

    def _bound_memory(self) -> None:
        """When all outboxes together hold too much, who lets most pile up goes."""
        if self._unsent.bytes > OUTBOX_BYTES_TOTAL_MAX:
            worst = max(self._sessions.values(), key=lambda session: session.outbox.bytes)
            logger.info("session ended session=%s reason=%s", worst.number, "too much unread")
            worst.close(OVERLOADED, "too much unread")

    # --- connections ----------------------------------------------------------------------------------------------

    async def _accept(self, stream: trio.SocketStream) -> None:
        """One connection, from its first byte to its last. Whatever it does costs itself only."""
        try:
            if self._handshakes < HANDSHAKES_MAX:
                await self._connection(stream, stream.socket.getpeername()[0])
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ConnectionClosed, HandshakeError):
            pass  # it went away, or never spoke our language
        except* ProtocolError:
            pass  # trio-websocket's reader answers frames that come while we close, which the protocol does not allow
        except* Exception as group:  # noqa: BLE001 - a library tripped over the client's bytes: it costs this connection only
            logger.info("connection failed error=%r", group.exceptions[0])
        finally:
            await trio.aclose_forcefully(stream)

    async def _connection(self, stream: trio.SocketStream, peer: str) -> None:
        transport: trio.abc.Stream = stream
        if self._config.tls is not None:
            transport = trio.SSLStream(stream, self._config.tls, server_side=True, https_compatible=True)
        gathering = GatheringStream(transport)
        async with trio.open_nursery() as nursery:
            self._handshakes += 1
            try:
                with trio.move_on_after(HANDSHAKE_SECONDS) as handshake:
                    request = await wrap_server_stream(nursery, gathering, 1, MESSAGE_BYTES_MAX, 16_384)
                    websocket = await request.accept()
            finally:
                self._handshakes -= 1
            if not handshake.cancelled_caught:
                await self._serve(websocket, gathering, self._client_address(request, peer))
            nursery.cancel_scope.cancel()

    async def _serve(self, websocket: WebSocketConnection, stream: GatheringStream, address: str) -> None:
        """A session, if the limits allow one more."""
        group = prefix_of(Address(address, 0))
        quota = group or ("" if self._config.exempt_loopback else "loopback")
        full = len(self._sessions) >= SESSIONS_MAX or (quota and self._groups[quota] >= SESSIONS_PER_PREFIX_MAX)
        if full or self._scope.cancel_called:
            with trio.move_on_after(CLOSE_SECONDS):
                await websocket.aclose(OVERLOADED, "no more sessions here: try another registry")
            return
        session = RpcSession(
            next(self._numbers), websocket, stream, self._core, address, Outbox(self._unsent)
        )
        self._sessions[session.number] = session
        self._groups[quota] += 1
        self._core.post(events.SessionOpened(session.number, address, group, secrets.token_bytes(32)))
        try:
            await session.run()
        finally:
            del self._sessions[session.number]
            session.outbox.abandon()
            self._groups[quota] -= 1
            if not self._groups[quota]:
                del self._groups[quota]
            self._core.post(events.SessionClosed(session.number))
            self._closed.set()

    def _client_address(self, request: WebSocketRequest, peer: str) -> str:
        """Who is calling: the last address before our trusted proxies, or the peer itself."""
        forwarded = [value.decode("latin-1") for name, value in request.headers if name.lower() == b"x-forwarded-for"]
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        address = peer
        while hops and self._is_trusted(address):
            address = hops.pop()
        return address

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._config.trusted_proxies)
