"""HyParView (DSN 2007) over links that other cores share: the door, and the handshake that makes a neighbour.

Differences from the paper. A peer is a neighbour only after an explicit answer. A newcomer's walk ends at the first
free place, so a small network is a full mesh after a few round trips. Half the places are for peers that we chose
ourselves. Two ring neighbours come on top.

Both ends agree because links keep order and every answer states the sender's view: an acceptance, "I count you"; a
refusal or a DisconnectNeighbor, "I don't". An acceptance that nobody waits for any more is answered with the latter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from p2preg.base.effects import Disconnect, Misbehaved, Schedule, Send
from p2preg.base.events import ConnectFailed, Expired, NeighborUp, PeerDown, PeerUp, Received
from p2preg.base.limits import OVERLAY_DEBT_MAX, OVERLAY_LINKS_MAX
from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.events import Member, MemberGone
from p2preg.overlay.links import Link
from p2preg.overlay.neighbourhood import Neighbourhood
from p2preg.overlay.repair import Repair
from p2preg.overlay.requests import PRIORITY_ALONE, PRIORITY_NEAR, PRIORITY_NORMAL, PRIORITY_RING, merged
from p2preg.overlay.statistics import OverlayStatistics
from p2preg.overlay.walks import CellOf, Walks
from p2preg.wire.messages import (
    DisconnectNeighbor,
    ForwardJoin,
    Join,
    Neighbor,
    NeighborReply,
    Shuffle,
    ShuffleReply,
)

if TYPE_CHECKING:
    from random import Random

SHUFFLE = ("overlay", "shuffle")


class OverlayCore:
    """`handle(event, now)` takes monotonic seconds and returns effects, to be carried out in their order. `cell_of`
    gives the signed registry cell of a member, our own id included, or None. `region`: where we are, as our operator
    calls it."""

    def __init__(self, own_id: bytes, config: OverlayConfig, rng: Random, cell_of: CellOf, region: str = "") -> None:
        config.validate()
        self._config = config
        self._hood = Neighbourhood(own_id, config, rng, region)
        self._repair = Repair(self._hood)
        self._walks = Walks(self._hood, cell_of)
        self._shuffle_at: float | None = None

    # --- what others may ask --------------------------------------------------------------------------------

    @property
    def neighbours(self) -> tuple[bytes, ...]:
        """The active view, then the ring neighbours."""
        return self._hood.neighbours

    @property
    def active(self) -> tuple[bytes, ...]:
        return tuple(self._hood.active)

    @property
    def near(self) -> tuple[bytes, ...]:
        """Those of the active view that are there because they are near."""
        return self._hood.active.near

    @property
    def passive(self) -> tuple[bytes, ...]:
        return tuple(self._hood.passive)

    def role(self, peer: bytes) -> Literal["active", "passive", "known"]:
        """ "active" for every neighbour, of the ring too; "passive"; else "known"."""
        if self._hood.is_neighbour(peer):
            return "active"
        return "passive" if peer in self._hood.passive else "known"

    def statistics(self) -> OverlayStatistics:
        return self._hood.statistics()

    def check_invariants(self) -> None:
        """Assert what must hold between any two events."""
        self._hood.check_invariants()

    # --- the door -------------------------------------------------------------------------------------------

    def handle(self, event: object, now: float) -> list[object]:
        """Take one event in."""
        match event:
            case Received(peer, message):
                self._on_message(peer, message, now)
            case Expired(timer):
                self._on_timer(timer, now)
            case PeerUp(peer, outbound, round_trip):
                self._on_peer_up(peer, outbound, round_trip, now)
            case PeerDown(peer):
                self._on_peer_down(peer, now)
            case ConnectFailed(peer):
                self._on_connect_failed(peer, now)
            case Member(peer, prefix, region):
                self._on_member(peer, prefix, region, now)
            case MemberGone(peer):
                self._on_member_gone(peer, now)
            case _:
                raise AssertionError(f"no rule for {event!r}")
        effects, self._hood.effects = self._hood.effects, []
        return effects

    def _on_message(self, peer: bytes, message: object, now: float) -> None:
        if not self._is_within_rate(peer, message, now):
            return
        match message:
            case Join():
                self._on_join(peer, now)
            case Neighbor(priority):
                self._on_neighbor(peer, priority, now)
            case NeighborReply(accepted):
                self._on_neighbor_reply(peer, accepted, now)
            case DisconnectNeighbor():
                self._on_disconnect_neighbor(peer, now)
            case ForwardJoin():
                self._walks.on_forward_join(peer, message, now)
            case Shuffle():
                self._walks.on_shuffle(peer, message, now)
            case ShuffleReply():
                self._walks.on_shuffle_reply(peer, message)

    def _is_within_rate(self, peer: bytes, message: object, now: float) -> bool:
        link = self._hood.links.get(peer)
        if link is None or link.misbehaved:
            return False
        if link.admits(message, now):
            return True
        self._hood.counts.dropped += 1
        if link.misbehaved:
            reason = f"{type(message).__name__}: {OVERLAY_DEBT_MAX} beyond the rate"
            self._hood.effects.append(Misbehaved(peer, reason))
        return False

    def _on_timer(self, timer: object, now: float) -> None:
        match timer:
            case ("overlay", "request", bytes(peer)):
                self._repair.on_request_timer(peer, now)
            case ("overlay", "repair"):
                self._repair.on_repair_timer(now)
            case ("overlay", "ring"):
                self._repair.on_ring_timer(now)
            case ("overlay", "shuffle") if self._shuffle_at is not None and now >= self._shuffle_at:
                self._on_shuffle_timer(now)

    # --- links and members ----------------------------------------------------------------------------------

    def _on_peer_up(self, peer: bytes, outbound: bool, round_trip: float | None, now: float) -> None:
        link = self._hood.links.get(peer)
        if link is not None:
            self._on_link_again(peer, link, outbound)
            link.round_trip = link.round_trip if round_trip is None else round_trip
        elif len(self._hood.links) < OVERLAY_LINKS_MAX:
            self._hood.links[peer] = Link(outbound, round_trip)
        else:
            return
        self._hood.members.reached(peer, round_trip)
        request = self._hood.requests.get(peer)
        if request is not None and not request.sent:
            self._repair.send(peer, request, now)

    def _on_link_again(self, peer: bytes, link: Link, outbound: bool) -> None:
        """Either the answer to a `Connect` for a link that was up, or a new link in the place of an old one: then the
        peer may have restarted, and is asked whether it still counts us."""
        if self._hood.is_neighbour(peer) and (link.outbound != outbound or not link.echo):
            self._hood.effects.append(Send(peer, Neighbor(self._priority_of(peer))))
        link.outbound, link.echo = outbound, False

    def _priority_of(self, neighbour: bytes) -> int:
        if neighbour in self._hood.ring_view:
            return PRIORITY_RING
        return PRIORITY_NEAR if neighbour in self._hood.active.near else PRIORITY_NORMAL

    def _on_peer_down(self, peer: bytes, now: float) -> None:
        self._hood.links.pop(peer, None)
        request = self._hood.requests.pop(peer, None)
        if request is not None:
            self._hood.members.lost(peer, now)
            self._repair.on_vain(request, now)
        elif self._hood.is_neighbour(peer):
            self._hood.members.lost(peer, now)
            self._hood.drop(peer)
            self._repair.on_loss(now)

    def _on_connect_failed(self, peer: bytes, now: float) -> None:
        if peer in self._hood.links:
            return  # it reached us while we failed to reach it
        request = self._hood.requests.pop(peer, None)
        if request is not None:
            self._hood.members.failed(peer, now)
            self._hood.passive.remove(peer)
            self._repair.on_vain(request, now)

    def _on_member(self, peer: bytes, prefix: str, region: str, now: float) -> None:
        if peer == self._hood.own_id:
            return
        if self._shuffle_at is None:
            self._schedule_shuffle(now, self._config.shuffle_first)
        forced = self._walks.take_awaited(peer, now)
        is_new = self._hood.members.add(peer, prefix, region)
        if is_new:
            self._hood.ring.add(peer)
            self._hood.keep_in_mind(peer)
        if forced is not None:
            self._repair.invite(peer, forced, now)
        if is_new:
            self._repair.on_new_member(now)

    def _on_member_gone(self, peer: bytes, now: float) -> None:
        self._hood.members.remove(peer)
        self._hood.ring.remove(peer)
        self._hood.passive.remove(peer)
        self._repair.schedule_ring(now)

    # --- the handshake --------------------------------------------------------------------------------------

    def _on_join(self, peer: bytes, now: float) -> None:
        """A Join is a request of one that is alone, and a newcomer's: others hear of it."""
        self._on_neighbor(peer, PRIORITY_ALONE, now)
        self._walks.start_join(peer, now)

    def _on_neighbor(self, peer: bytes, priority: int, now: float) -> None:
        hood = self._hood
        if hood.is_neighbour(peer):
            hood.effects.append(Send(peer, NeighborReply(1)))
            return
        ours = hood.requests.pop(peer, None)
        if ours is None:
            hood.hold(peer)
        if hood.admit(peer, merged(ours, priority), now):
            hood.counts.accepted += 1
            hood.effects += [Send(peer, NeighborReply(1)), NeighborUp(peer)]
            self._repair.fill(now)
        else:
            hood.counts.declined += 1
            hood.effects += [Send(peer, NeighborReply(0)), Disconnect(peer)]

    def _on_neighbor_reply(self, peer: bytes, accepted: int, now: float) -> None:
        hood = self._hood
        request = hood.requests.get(peer)
        if hood.is_neighbour(peer):
            if not accepted:
                self._on_disconnect_neighbor(peer, now)
        elif request is None or not request.sent:
            if accepted:  # too late: we gave it up, or have let go of it since
                hood.effects.append(Send(peer, DisconnectNeighbor()))
        elif accepted and hood.admit(peer, hood.requests.pop(peer), now):
            hood.effects.append(NeighborUp(peer))
            self._repair.on_granted(request, now)
        elif accepted:
            hood.effects += [Send(peer, DisconnectNeighbor()), Disconnect(peer)]
            hood.members.declined(peer, now)
        else:
            del hood.requests[peer]
            hood.effects.append(Disconnect(peer))
            hood.members.declined(peer, now, for_ring=request.priority == PRIORITY_RING)
            self._repair.on_vain(request, now)

    def _on_disconnect_neighbor(self, peer: bytes, now: float) -> None:
        if not self._hood.is_neighbour(peer):
            return
        self._hood.drop(peer)
        self._hood.effects.append(Disconnect(peer))
        self._hood.members.declined(peer, now)
        self._hood.keep_in_mind(peer)
        self._repair.on_loss(now)

    # --- now and then ---------------------------------------------------------------------------------------

    def _on_shuffle_timer(self, now: float) -> None:
        self._schedule_shuffle(now, self._config.shuffle_interval)
        self._refill_passive(now)
        self._repair.tend_ring(now)
        self._repair.restore_share(now)
        self._repair.seek_near(now)
        self._walks.start_shuffle(now)

    def _refill_passive(self, now: float) -> None:
        hood = self._hood
        missing = hood.passive.cap - len(hood.passive)
        others = [peer for peer in hood.members if hood.could_ask(peer, now) and peer not in hood.passive]
        for peer in hood.rng.sample(others, min(missing, len(others))):
            hood.passive.add(peer, hood.rng)

    def _schedule_shuffle(self, now: float, pause: float) -> None:
        self._shuffle_at = now + self._repair.jittered(pause)
        self._hood.effects.append(Schedule(self._shuffle_at, SHUFFLE))
