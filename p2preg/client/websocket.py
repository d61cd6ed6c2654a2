"""Opening the websocket to a registry: its URL, the `authority` that a proof names, TCP, TLS and the upgrade."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from p2preg.base.errors import ConfigError
from p2preg.base.limits import CLIENT_MESSAGE_BYTES_MAX
from p2preg.client.errors import CannotConnect
from p2preg.client.nursery import open_flat_nursery

_PORTS = {"ws": 80, "wss": 443}
_RECEIVE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Target:
    """Where to dial. `host`: lower case, IPv6 without brackets; `resource`: path and query."""

    host: str
    port: int
    resource: str
    secure: bool

    @property
    def authority(self) -> str:
        """`host:port` as a proof of presence names it: the port always written, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{self.resource}"


def parse_url(url: str) -> Target:
    """Read a ws:// or wss:// URL; `ConfigError` for anything else."""
    expected = f"the URL of a registry is ws://host:port/ or wss://host:port/, got {url[:100]!r}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{expected}: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or port == 0:
        raise ConfigError(expected)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname, port or _PORTS[parts.scheme], resource, parts.scheme == "wss")


class WatchedStream(trio.abc.Stream):
    """A stream that tells when bytes last came, and that it has ended: trio-websocket tells neither while it waits
    for the upgrade, and never tells of the other side's pings."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self._inner = inner
        self.heard_at = trio.current_time()
        self.ended = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._inner.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.ended.set()
            raise
        if not data:
            self.ended.set()
        self.heard_at = trio.current_time()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()


async def open_websocket(
    nursery: trio.Nursery, target: Target, tls: ssl.SSLContext | None, seconds: float
) -> tuple[WebSocketConnection, WatchedStream]:
    """A websocket whose reader runs in `nursery`. Raises `CannotConnect`, or out of the nursery a `HandshakeError`."""
    try:
        with trio.fail_after(seconds):
            stream = await _open_stream(target, tls)
            upgraded = False
            try:
                websocket = await _upgrade(nursery, stream, target)
                upgraded = True
            finally:
                if not upgraded:
                    await trio.aclose_forcefully(stream)
            return websocket, stream
    except trio.TooSlowError:
        raise CannotConnect(f"{target.url}: no answer within {seconds:g} s") from None
    except (OSError, trio.BrokenResourceError) as error:
        raise CannotConnect(f"{target.url}: {_cause(error)}") from error


async def _open_stream(target: Target, tls: ssl.SSLContext | None) -> WatchedStream:
    stream = await trio.open_tcp_stream(target.host, target.port)
    if not target.secure:
        return WatchedStream(stream)
    context = tls or ssl.create_default_context()
    secured = trio.SSLStream(stream, context, server_hostname=target.host, https_compatible=True)
    shaken = False
    try:
        await secured.do_handshake()
        shaken = True
    finally:
        if not shaken:
            await trio.aclose_forcefully(stream)
    return WatchedStream(secured)


async def _upgrade(nursery: trio.Nursery, stream: WatchedStream, target: Target) -> WebSocketConnection:
    async def give_up_at_end() -> None:
        await stream.ended.wait()
        raise CannotConnect(f"{target.url}: the connection ended before it became a websocket")

    async with open_flat_nursery() as waiting:
        waiting.start_soon(give_up_at_end)
        websocket = await wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]  # any stream does
            target.authority,
            target.resource,
            max_message_size=CLIENT_MESSAGE_BYTES_MAX,
            receive_buffer_size=_RECEIVE_BYTES,
        )
        waiting.cancel_scope.cancel()
    return websocket


def _cause(error: BaseException) -> str:
    """The words of the operating system or of TLS, which Trio keeps in the cause."""
    cause = error
    while inner := cause.__cause__:
        cause = inner.exceptions[0] if isinstance(inner, BaseExceptionGroup) else inner  # one per address of a name
    if isinstance(cause, ssl.SSLError | socket.gaierror):
        return cause.strerror or str(cause)
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return str(cause) or type(cause).__name__
