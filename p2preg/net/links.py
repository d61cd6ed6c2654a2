"""One link per peer, whatever comes up in whatever order on either side. Pure: time is an argument.

Both ends may dial each other at once; of such two links both keep the one that the smaller id dialled
(docs/protocol.md, Links), and the other drains. That switch is invisible above: no message is lost, nobody hears of it.
A second link at any other time says that the peer lost the first one, and with it what its cores knew of us: it went
down and came up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from p2preg.base.errors import RemoteProtocolError
from p2preg.net.config import LinkConfig
from p2preg.net.handshake import LinkInfo, LinkRefused
from p2preg.net.link import Link
from p2preg.node.events import OURSELVES
from p2preg.wire.messages import Message


class Sink(Protocol):
    """What the node's driver is told. The four synchronous methods must not wait; for each peer `peer_up` and
    `peer_down` alternate, and `received` comes only between them."""

    def peer_up(self, link: LinkInfo) -> None: ...

    def peer_down(self, peer: bytes) -> None: ...

    def received(self, peer: bytes, message: Message) -> None: ...

    def dial_failed(self, endpoint: str, expected_id: bytes | None, reason: str) -> None:
        """A dial came to nothing. Not called when the link to `expected_id` is up for another reason."""

    async def wait_ready(self) -> None:
        """Return when `received` may be called: back-pressure on all links."""


@dataclass(slots=True)
class _Place:
    """A peer's links: the one in use since `since`, and one that lost to it and is not gone yet."""

    current: Link
    since: float
    spare: Link | None = None


class LinkTable:
    """Owner of all links (`link.LinkOwner`)."""

    def __init__(self, own_id: bytes, sink: Sink, config: LinkConfig) -> None:
        self._own_id = own_id
        self._sink = sink
        self._config = config
        self._places: dict[bytes, _Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._places

    def get(self, peer: bytes) -> Link | None:
        """The link in use to `peer`."""
        place = self._places.get(peer)
        return place.current if place is not None else None

    def links(self) -> list[Link]:
        """The link in use of each peer."""
        return [place.current for place in self._places.values()]

    # --- admission: before a link exists -----------------------------------------------------------------------

    def check_peer(self, peer: bytes) -> None:
        """Raise `RemoteProtocolError` when we reached ourselves."""
        if peer == self._own_id:
            raise RemoteProtocolError(OURSELVES)

    def check_dial(self, peer: bytes, *, named: bool) -> None:
        """Raise `LinkRefused` when a link that we dial would only lose. `named`: the dial was to this identity, and so
        began when there was no link yet."""
        place = self._places.get(peer)
        if place is not None and not (named and self._own_id < peer and not place.current.info.outbound):
            raise LinkRefused("a link to this peer is up already")

    def check_link(self, info: LinkInfo) -> None:
        """Raise `LinkRefused` for a link from an older process of its peer, and for one too many from others."""
        place = self._places.get(info.peer)
        if place is not None and info.hello.epoch < place.current.info.hello.epoch:
            raise LinkRefused("a newer process with the same identity is linked")
        if place is None and not info.outbound and len(self._places) >= self._config.links_max:
            raise LinkRefused(f"{self._config.links_max} links are up, no more are taken")

    # --- changes -----------------------------------------------------------------------------------------------

    def add(self, link: Link, now: float) -> None:
        """Enter a link; its `check_link` has passed and its tasks are about to run."""
        place = self._places.get(link.info.peer)
        if place is None:
            self._enter(link, now)
        elif self._is_race(place, link, now):
            self._settle_race(place, link)
        else:
            self.drop(link.info.peer, "the peer came back on a new link")
            self._enter(link, now)

    def drop(self, peer: bytes, reason: str) -> None:
        """The peer is down from here on; what remains of its links ends at once."""
        place = self._places.pop(peer, None)
        if place is None:
            return
        self._sink.peer_down(peer)
        place.current.abort(reason)
        if place.spare is not None:
            place.spare.abort(reason)

    def close(self, peer: bytes, reason: str) -> None:
        """The peer is down from here on; it is told why."""
        place = self._places.get(peer)
        if place is not None:
            place.current.close(reason)
            self.drop(peer, reason)

    # --- what links tell ---------------------------------------------------------------------------------------

    def received(self, link: Link, message: Message) -> None:
        place = self._places.get(link.info.peer)
        if place is not None and link in (place.current, place.spare):
            self._sink.received(link.info.peer, message)

    def confirmed(self, link: Link) -> None:
        """The peer counts `link` as up, so one that lost to it can go without the peer being without."""
        place = self._places.get(link.info.peer)
        if place is not None and place.current is link:
            self._retire_spare(place)

    def ended(self, link: Link) -> None:
        place = self._places.get(link.info.peer)
        if place is None:
            return
        if place.spare is link:
            place.spare = None
        elif place.current is link:
            self._replace(place)

    async def wait_ready(self) -> None:
        await self._sink.wait_ready()

    def check_invariants(self) -> None:
        for peer, place in self._places.items():
            assert peer != self._own_id
            assert place.current is not place.spare
            assert place.current.info.peer == peer
            assert place.current.reason is None, "a link that has ended is in use"

    # --- rules -------------------------------------------------------------------------------------------------

    def _is_race(self, place: _Place, link: Link, now: float) -> bool:
        """Whether `link` may have been dialled before the one in use was up. An honest peer that has a link dials no
        second, and its process keeps its epoch."""
        current = place.current.info
        return (
            link.info.outbound != current.outbound
            and link.info.hello.epoch == current.hello.epoch
            and now - place.since <= self._config.race_seconds
        )

    def _settle_race(self, place: _Place, link: Link) -> None:
        """Both are up here. The loser stays until the peer, too, has the winner."""
        if place.spare is not None:
            place.spare.abort("a third link")
        if self._is_preferred(link.info):
            place.current, place.spare = link, place.current
        else:
            place.spare = link
        if place.current.confirmed:
            self._retire_spare(place)

    def _is_preferred(self, info: LinkInfo) -> bool:
        return info.outbound == (self._own_id < info.peer)

    def _retire_spare(self, place: _Place) -> None:
        if place.spare is not None:
            place.spare.retire("the other link between us is kept")

    def _enter(self, link: Link, now: float) -> None:
        self._places[link.info.peer] = _Place(link, now)
        self._sink.peer_up(link.info)

    def _replace(self, place: _Place) -> None:
        """The link in use has ended. A spare that is not draining has been up all along on both sides."""
        peer, spare = place.current.info.peer, place.spare
        if spare is not None and spare.reason is None:
            place.current, place.spare = spare, None
            return
        del self._places[peer]
        self._sink.peer_down(peer)
        if spare is not None:
            spare.abort("the link that was kept has ended")
