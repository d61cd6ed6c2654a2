"""Who is a neighbour, who could be, and who gives way to whom. The state that the core, the repair and the walks
share, with the moves that keep it consistent; every move leaves its effects here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

from p2preg.base.effects import Connect, Disconnect, Send
from p2preg.base.events import NeighborDown
from p2preg.base.limits import OVERLAY_LINKS_MAX, OVERLAY_MEMBERS_MAX, OVERLAY_REQUESTS_MAX, RING_MAX
from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.links import Link
from p2preg.overlay.members import Members
from p2preg.overlay.near import Near
from p2preg.overlay.requests import PRIORITY_NEAR, PRIORITY_RING, Request
from p2preg.overlay.ring import Ring, RingView
from p2preg.overlay.statistics import Counts, OverlayStatistics
from p2preg.overlay.views import ActiveView, PassiveView
from p2preg.wire.messages import DisconnectNeighbor

if TYPE_CHECKING:
    from random import Random


class Neighbourhood:
    """A peer's link is held (by one `Connect`) while it is a neighbour or asked to be one, and then released."""

    def __init__(self, own_id: bytes, config: OverlayConfig, rng: Random, region: str) -> None:
        self.own_id = own_id
        self.config = config
        self.rng = rng
        self.members = Members(config, rng)
        self.active = ActiveView(config.active_max, config.inbound_max, config.near_max, self.members.prefix_of)
        self.passive = PassiveView(config.passive_max, self.members.prefix_of)
        self.ring = Ring(own_id)
        self.ring_view = RingView()
        self.links: dict[bytes, Link] = {}
        self.near = Near(config, region, self.active, self.members, self.links)
        self.requests: dict[bytes, Request] = {}
        self.vain_in_a_row = 0  # our requests since the last one granted
        self.counts = Counts()
        self.effects: list[object] = []

    # --- questions ------------------------------------------------------------------------------------------

    @property
    def neighbours(self) -> tuple[bytes, ...]:
        """The active view, then the ring neighbours."""
        return (*self.active, *self.ring_view)

    def is_neighbour(self, peer: bytes) -> bool:
        return peer in self.active or peer in self.ring_view

    def is_free(self, peer: bytes) -> bool:
        """Whether `peer` is neither a neighbour nor asked to be one."""
        return not self.is_neighbour(peer) and peer not in self.requests

    def could_ask(self, peer: bytes, now: float) -> bool:
        return self.is_free(peer) and self.members.is_ready(peer, now)

    def is_linked_inbound(self, peer: bytes) -> bool:
        link = self.links.get(peer)
        return link is not None and not link.outbound

    def is_prospect(self, peer: bytes, now: float) -> bool:
        """Whether `peer` could fill a place by our own choice, or is being asked to."""
        if self.is_linked_inbound(peer):
            return False
        request = self.requests.get(peer)
        return request.fills_place if request is not None else self.could_ask(peer, now)

    @property
    def sides(self) -> tuple[bytes, ...]:
        """Our predecessor and successor on the ring of those not known to be unreachable."""
        return self._sides(lambda peer: not self.members.is_unreachable(peer))

    def hopeful_sides(self, now: float) -> tuple[bytes, ...]:
        """As `sides`, with those who may be dialled again."""
        return self._sides(lambda peer: not self.members.is_unreachable(peer) or self.members.is_ready(peer, now))

    def _sides(self, usable: Callable[[bytes], bool]) -> tuple[bytes, ...]:
        return self.ring.sides(usable) if self.config.has_ring else ()

    # --- moves ----------------------------------------------------------------------------------------------

    def hold(self, peer: bytes) -> None:
        if link := self.links.get(peer):
            link.echo = True
        self.effects.append(Connect(peer))

    def admit(self, peer: bytes, request: Request, now: float) -> bool:
        """Give `peer`, whose link is up and held, a place if it may have one; somebody may have to leave for it. The
        caller says `NeighborUp`, after its answer: what broadcast sends then must not overtake that."""
        if request.priority == PRIORITY_RING:
            admitted = self._admit_to_ring(peer, request, now)
        elif request.priority == PRIORITY_NEAR:
            admitted = self._admit_as_near(peer, now)
        else:
            admitted = self._admit_to_active(peer, request, now)
        if not admitted:
            return False
        self.passive.remove(peer)
        self.members.granted(peer, now)
        return True

    def drop(self, peer: bytes) -> None:
        """`peer` is no longer a neighbour. The link, if there still is one, remains to be released."""
        self.active.remove(peer)
        self.ring_view.remove(peer)
        self.effects.append(NeighborDown(peer))

    def part(self, peer: bytes) -> None:
        """End a neighbourhood from our side."""
        self.drop(peer)
        self.effects += [Send(peer, DisconnectNeighbor()), Disconnect(peer)]
        self.keep_in_mind(peer)

    def keep_in_mind(self, peer: bytes) -> None:
        """Take a member that is no neighbour into the passive view."""
        if peer in self.members and not self.is_neighbour(peer):
            self.passive.add(peer, self.rng)

    def _admit_to_active(self, peer: bytes, request: Request, now: float) -> bool:
        """A newcomer that somebody recommended to a full view counts as inbound, though we dialled it: else one
        bad neighbour could fill the chosen places."""
        chosen = self.links[peer].outbound and not (request.invited and request.forced)
        replaces_inbound = chosen and self.active.inbound > self.active.inbound_max
        if not self._has_place(peer, chosen, now):
            if not request.forced and not replaces_inbound:
                return False
            self._evict(self.active.victim(peer, chosen, self.sides, self.rng), now)
        self.active.add(peer, chosen)
        return True

    def _has_place(self, peer: bytes, chosen: bool, now: float) -> bool:
        """Whether a place is free for `peer`. Once inbound ones have their share, the places left are kept for those
        that we could dial, as long as there are enough of them and they do not keep declining."""
        if not self.active.free:
            return False
        if chosen or self.active.inbound < self.active.inbound_max or self.vain_in_a_row >= self.active.cap:
            return True
        prospects = (other for other in self.members if other != peer and self.is_prospect(other, now))
        return len(list(islice(prospects, self.active.free))) < self.active.free

    def _admit_as_near(self, peer: bytes, now: float) -> bool:
        """The farthest near neighbour gives way to a nearer one; one of the others while near places are free."""
        if not self.near.is_welcome(peer):
            return False
        if not self.active.near_free:
            self._evict(self.near.farthest, now)
        elif not self.active.free:
            self._evict(self.active.victim_for_near(peer, self.sides, self.rng), now)
        self.active.add(peer, self.links[peer].outbound, near=True)
        return True

    def _admit_to_ring(self, peer: bytes, request: Request, now: float) -> bool:
        sides = self.sides
        if not request.asked and not self.ring_view.has_room(peer, sides):
            return False
        if (surplus := self.ring_view.surplus(sides)) is not None:
            self._evict(surplus, now)
        self.ring_view.add(peer, request.asked)
        return True

    def _evict(self, peer: bytes, now: float) -> None:
        self.counts.evicted += 1
        self.members.declined(peer, now)
        self.part(peer)

    # --- for the reader -------------------------------------------------------------------------------------

    def statistics(self) -> OverlayStatistics:
        return OverlayStatistics(
            active=len(self.active),
            inbound=self.active.inbound,
            near=len(self.active.near),
            ring=len(self.ring_view),
            passive=len(self.passive),
            members=len(self.members),
            links=len(self.links),
            requests=len(self.requests),
            **asdict(self.counts),
        )

    def check_invariants(self) -> None:
        """Assert what must hold between any two events."""
        neighbours = self.neighbours
        assert len(set(neighbours)) == len(neighbours), "nobody is in the active view and in the ring's"
        assert all(peer in self.links for peer in neighbours), "a neighbour has a link"
        assert not any(peer in self.requests for peer in neighbours), "a neighbour is not asked again"
        assert all(peer in self.links for peer, request in self.requests.items() if request.sent)
        assert not any(self.is_neighbour(peer) for peer in self.passive), "the passive view holds no neighbour"
        assert all(peer in self.members for peer in self.passive), "the passive view holds members"
        assert len(self.active) <= self.config.active_max
        assert len(self.active.near) <= self.config.near_max
        assert all(peer in self.active for peer in self.active.near), "near neighbours are neighbours"
        assert all(self.links[peer].round_trip is not None for peer in self.active.near), "who is near was measured"
        assert len(self.ring_view) <= RING_MAX
        assert len(self.passive) <= self.config.passive_max
        assert len(self.members) <= OVERLAY_MEMBERS_MAX
        assert len(self.links) <= OVERLAY_LINKS_MAX
        assert len(self.requests) <= OVERLAY_REQUESTS_MAX
        for peers in (self.links, self.requests, self.members, self.passive, neighbours):
            assert self.own_id not in peers, "we are not our own peer"
