"""How the links of a mesh come up and go down: as TCP connections do, with the latency of their pair."""

from __future__ import annotations

from collections.abc import Callable

from p2preg.base.events import ConnectFailed, PeerDown, PeerUp
from p2preg.overlay.events import Member
from p2preg.sim.clock import Agenda
from p2preg.sim.mesh.peer import MeshLink, MeshPeer

DIAL_LATENCIES = 3  # TCP, TLS, Hello
CONNECT_SECONDS = 5.0  # until a dial that nobody answers has failed
RELEASED_SECONDS = 1.0  # a link that nobody wants any more is closed after so long


class Links:
    """`latency`: seconds one way between two numbers. `tell`: gives an event to the overlay of a registry; `member`:
    what a registry's cell says of it."""

    def __init__(
        self,
        agenda: Agenda,
        latency: Callable[[int, int], float],
        tell: Callable[[MeshPeer, object], None],
        member: Callable[[MeshPeer], Member],
    ) -> None:
        self._agenda = agenda
        self._latency = latency
        self._tell = tell
        self._member = member

    def connect(self, peer: MeshPeer, other: MeshPeer) -> None:
        """`peer` asks for a link to `other`: `PeerUp` or `ConnectFailed` follows."""
        link = peer.links.get(other.id)
        if link is not None:
            link.wanted_by[peer.number] = None
            self._tell(peer, PeerUp(other.id, link.dialler is peer, 2 * link.latency))
            return
        peer.dialling[other.id] = None
        latency = self._latency(peer.number, other.number)
        self._agenda.after(DIAL_LATENCIES * latency, self._dialled, peer, other, latency)

    def _dialled(self, peer: MeshPeer, other: MeshPeer, latency: float) -> None:
        if not peer.is_alive:
            return
        if not other.is_alive:
            refused_after = CONNECT_SECONDS - DIAL_LATENCIES * latency if other.is_silent else 0.0
            self._agenda.after(refused_after, self._fail, peer, other)
            return
        if other.id not in peer.links:
            link = MeshLink(peer, other, latency)
            peer.links[other.id] = other.links[peer.id] = link
            peer.dialling.pop(other.id, None)
            link.wanted_by[peer.number] = None
            if other.dialling.pop(peer.id, None) is None:
                self._tell(other, self._member(peer))
            else:
                link.wanted_by[other.number] = None
            self._tell(other, PeerUp(peer.id, False, 2 * latency))
            self._tell(peer, PeerUp(other.id, True, 2 * latency))

    def _fail(self, peer: MeshPeer, other: MeshPeer) -> None:
        if peer.dialling.pop(other.id, 0) is None and peer.is_alive:
            self._tell(peer, ConnectFailed(other.id))

    def release(self, peer: MeshPeer, to: bytes) -> None:
        """`peer` no longer needs its link; it closes when the other end doesn't either."""
        peer.dialling.pop(to, None)
        link = peer.links.get(to)
        if link is not None:
            link.wanted_by.pop(peer.number, None)
            if not link.wanted_by:
                self._agenda.after(RELEASED_SECONDS, self._close_unwanted, link)

    def _close_unwanted(self, link: MeshLink) -> None:
        if not link.wanted_by:
            self.end(link)

    def end(self, link: MeshLink) -> None:
        """Both ends notice that the link is gone, if it still was theirs."""
        for peer in (link.dialler, link.answerer):
            other = link.other(peer)
            if peer.links.get(other.id) is link:
                del peer.links[other.id]
                if peer.is_alive:
                    self._tell(peer, PeerDown(other.id))
