"""All links of a registry: listens, dials, keeps one link per peer, and says what happens to a sink. It decides
nothing about whom to link with; the node's cores do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from p2preg.base.address import Address
from p2preg.base.ids import short
from p2preg.crypto.keys import IdentityKey
from p2preg.net.config import LinkConfig
from p2preg.net.dialer import Dialer, DialGate, DialRequest
from p2preg.net.frames import FrameStream, Traffic
from p2preg.net.handshake import Handshake, LinkInfo, LinkRefused
from p2preg.net.link import Link
from p2preg.net.links import LinkTable, Sink
from p2preg.net.listener import Listener, address_of, listening
from p2preg.net.tls import make_context
from p2preg.wire.messages import Hello, Message

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """One link in use. `round_trip_time_s` None: not measured yet; `bytes_waiting` in its outbox."""

    peer: bytes
    outbound: bool
    address: str
    round_trip_time_s: float | None
    bytes_waiting: int


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """What there is now; the counters below `handshakes_failed`, and it, are since the start."""

    links: tuple[LinkStatistics, ...]
    half_open: int
    dials_running: int
    dials_waiting: int
    connections_refused: int  # at accept, for the caps on handshakes
    handshakes_failed: int  # inbound
    bytes_received: int
    bytes_sent: int
    unknown_messages: int
    announcements_dropped: int
    gossip_dropped: int


class Transport:
    """`send`, `dial` and `close` never wait; `run` is the task in whose nursery all of it lives."""

    def __init__(
        self,
        key: IdentityKey,
        own_hello: Callable[[], Hello],
        check_hello: Callable[[bytes, Hello], None],
        sink: Sink,
        config: LinkConfig | None = None,
    ) -> None:
        """`own_hello()`: this registry's Hello as of now, with one epoch throughout. `check_hello(peer, hello)` raises
        `RemoteProtocolError` unless the cell in `hello` is the peer's own."""
        self._config = config or LinkConfig()
        self._sink = sink
        self._traffic = Traffic()
        self._handshake = Handshake(make_context(key), own_hello, check_hello, self._config, self._traffic)
        self._table = LinkTable(key.public, sink, self._config)
        self._listener = Listener(self._answer, self._carry, self._config)
        self._dialer = Dialer(self._dial, self._carry, self._on_dial_failed, self._table, self._config)
        self._carried: dict[Link, None] = {}  # every link with a running task, those that are ending too
        self._doors = trio.CancelScope()
        self._links = trio.CancelScope()
        self._closing: str | None = None
        self._emptied = trio.Event()

    async def run(
        self, listen: Sequence[Address], task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen and carry links until cancelled, or until `goodbye`. Started with the addresses it listens on;
        `ConfigError` when one can't be had."""
        with self._links:
            async with listening(listen) as listeners, trio.open_nursery() as links:
                with self._doors:
                    async with trio.open_nursery() as doors:
                        if listeners:
                            doors.start_soon(self._listener.serve, listeners, links)
                        doors.start_soon(self._dialer.run, links)
                        task_status.started([address_of(listener) for listener in listeners])

    def dial(self, endpoint: str, expected_id: bytes | None) -> None:
        """Have a link to who listens at `endpoint`. `peer_up` or `dial_failed` follows, unless the link to
        `expected_id` is up already; with `expected_id` None, reaching a peer that is linked counts as failed."""
        if expected_id is None or expected_id not in self._table:
            self._dialer.request(DialRequest(endpoint, expected_id))

    def send(self, peer: bytes, message: Message) -> None:
        """Put `message` into the peer's outbox; dropped when there is no link to it."""
        link = self._table.get(peer)
        if link is not None:
            link.send(message)

    def close(self, peer: bytes, reason: str) -> None:
        """Part from `peer`, telling it why. It counts as down from here on."""
        self._table.close(peer, reason)

    async def goodbye(self, reason: str) -> None:
        """Take no more links, flush and close those there are within `goodbye_seconds`, and let `run` return."""
        self._closing = reason
        self._doors.cancel()
        for link in list(self._carried):
            link.close(reason)
        if self._carried:
            with trio.move_on_after(self._config.goodbye_seconds):
                await self._emptied.wait()
        self._links.cancel()

    def statistics(self) -> TransportStatistics:
        traffic = self._traffic
        return TransportStatistics(
            links=tuple(_statistics_of(link) for link in self._table.links()),
            half_open=len(self._listener.half_open),
            dials_running=self._dialer.running,
            dials_waiting=self._dialer.waiting,
            connections_refused=self._listener.half_open.refused,
            handshakes_failed=self._listener.failed,
            bytes_received=traffic.bytes_received,
            bytes_sent=traffic.bytes_sent,
            unknown_messages=traffic.unknown_messages,
            announcements_dropped=traffic.announcements_dropped,
            gossip_dropped=traffic.gossip_dropped,
        )

    def check_invariants(self) -> None:
        self._table.check_invariants()
        assert all(link in self._carried for link in self._table.links())

    async def _answer(self, stream: trio.abc.Stream, address: str) -> Link:
        return await self._adopt(*await self._handshake.answer(stream, address, self._table))

    async def _dial(self, stream: trio.abc.Stream, address: str, gate: DialGate) -> Link:
        return await self._adopt(*await self._handshake.dial(stream, address, gate))

    async def _adopt(self, info: LinkInfo, frames: FrameStream) -> Link:
        """Enter a new link. What was checked before our Hello left is checked again: others came up meanwhile."""
        try:
            if self._closing is not None:
                raise LinkRefused(self._closing)
            self._table.check_link(info)
        except LinkRefused:
            await frames.aclose()
            raise
        link = Link(info, frames, self._config, self._table, self._traffic)
        self._carried[link] = None
        self._table.add(link, trio.current_time())
        logger.info("link up peer=%s address=%s outbound=%s", short(info.peer), info.address, info.outbound)
        return link

    async def _carry(self, link: Link) -> None:
        try:
            await link.run()
        finally:
            del self._carried[link]
            if self._closing is not None and not self._carried:
                self._emptied.set()
            logger.info("link down peer=%s reason=%s", short(link.info.peer), link.reason)

    def _on_dial_failed(self, request: DialRequest, reason: str) -> None:
        if request.expected_id is None or request.expected_id not in self._table:
            self._sink.dial_failed(request.endpoint, request.expected_id, reason)


def _statistics_of(link: Link) -> LinkStatistics:
    info = link.info
    return LinkStatistics(info.peer, info.outbound, info.address, link.round_trip_time_s, link.bytes_waiting)
