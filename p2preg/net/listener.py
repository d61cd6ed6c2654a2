"""Inbound links. Garbage, port scanners and half-open handshakes cost their own connection and nothing else: each is
under a deadline, all together and those of one network prefix are capped, and an excess is closed unread.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

import trio

from p2preg.base.address import Address, prefix_of
from p2preg.base.errors import ConfigError
from p2preg.net.config import LinkConfig
from p2preg.net.link import Failure, Link, contained

logger = logging.getLogger(__name__)


@asynccontextmanager
async def listening(addresses: Sequence[Address]) -> AsyncIterator[list[trio.SocketListener]]:
    """Listen on each address, all of a name's, until the end of the block. `ConfigError` when one can't be had, and
    then on none."""
    listeners: list[trio.SocketListener] = []
    try:
        for address in addresses:
            try:
                listeners += await trio.open_tcp_listeners(address.port, host=address.host)
            except OSError as error:
                raise ConfigError(f"cannot listen on {address}: {error.strerror or error}") from None
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()


def address_of(listener: trio.SocketListener) -> Address:
    """Where it listens, the port that the system chose included."""
    host, port, *_ = listener.socket.getsockname()
    return Address(host, port)


class HalfOpen:
    """Handshakes under way, in all and by prefix. The empty prefix (loopback) counts in all only."""

    def __init__(self, total_max: int, prefix_max: int) -> None:
        self._total_max = total_max
        self._prefix_max = prefix_max
        self._total = 0
        self._by_prefix: dict[str, int] = {}
        self.refused = 0

    def __len__(self) -> int:
        return self._total

    def enter(self, prefix: str) -> bool:
        """Whether there is room for one more; if so it is counted until `leave`."""
        if self._total >= self._total_max or self._by_prefix.get(prefix, 0) >= self._prefix_max:
            self.refused += 1
            return False
        self._total += 1
        if prefix:
            self._by_prefix[prefix] = self._by_prefix.get(prefix, 0) + 1
        return True

    def leave(self, prefix: str) -> None:
        self._total -= 1
        if prefix:
            self._by_prefix[prefix] -= 1
            if not self._by_prefix[prefix]:
                del self._by_prefix[prefix]


class Listener:
    """Accepts, and turns connections into links."""

    def __init__(
        self,
        answer: Callable[[trio.abc.Stream, str], Awaitable[Link]],
        carry: Callable[[Link], Awaitable[None]],
        config: LinkConfig,
    ) -> None:
        """`answer` does the handshake; `carry` runs the link it made, until it ends."""
        self._answer = answer
        self._carry = carry
        self.half_open = HalfOpen(config.half_open_max, config.handshakes_per_prefix_max)
        self.failed = 0

    async def serve(self, listeners: list[trio.SocketListener], nursery: trio.Nursery) -> NoReturn:
        """Accept until cancelled; the links live in `nursery`. Out of file descriptors, Trio waits and tries again."""
        await trio.serve_listeners(self._welcome, listeners, handler_nursery=nursery)

    async def _welcome(self, stream: trio.SocketStream) -> None:
        """Raises nothing but cancellation; Trio closes `stream` afterwards."""
        try:
            host, port, *_ = stream.socket.getpeername()
        except OSError:
            return  # gone already
        address = Address(host, port)
        prefix = prefix_of(address)
        if not self.half_open.enter(prefix):
            return
        try:
            link = await contained(address, lambda: self._answer(stream, str(address)))
        finally:
            self.half_open.leave(prefix)
        if isinstance(link, Failure):
            self.failed += 1
            logger.info("inbound refused address=%s reason=%s", address, link.reason)
        else:
            await self._carry(link)
