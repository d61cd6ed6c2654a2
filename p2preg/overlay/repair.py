"""Asking for places: in the active view while one is free, on the ring while a side is missing. Reactive, as the
paper's active view: a loss is repaired at once, what is refused is asked again ever more rarely."""

from __future__ import annotations

from p2preg.base.effects import Disconnect, Schedule, Send
from p2preg.base.limits import OVERLAY_INVITES_MAX, OVERLAY_REQUESTS_MAX
from p2preg.overlay.neighbourhood import Neighbourhood
from p2preg.overlay.requests import PRIORITY_ALONE, PRIORITY_NEAR, PRIORITY_NORMAL, PRIORITY_RING, Request
from p2preg.overlay.views import count_prefixes
from p2preg.wire.messages import DisconnectNeighbor, Join, Neighbor

REPAIR = ("overlay", "repair")
RING = ("overlay", "ring")


class Repair:
    """Our requests, from the choice of a peer to their end, and the pauses between them."""

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self._hood = neighbourhood
        self._config = neighbourhood.config
        self._rng = neighbourhood.rng
        self._pause = self._config.repair_pause_min
        self._share_pause = self._config.shuffle_interval
        self._share_at = 0.0
        self._near_pause = self._config.shuffle_interval
        self._near_at = 0.0
        self._repair_at: float | None = None
        self._ring_at: float | None = None

    # --- why something is to be done ------------------------------------------------------------------------

    def on_loss(self, now: float) -> None:
        """A neighbour is gone."""
        self._pause = self._config.repair_pause_min
        self.fill(now)
        self.schedule_ring(now)

    def on_new_member(self, now: float) -> None:
        self._pause = self._config.repair_pause_min
        self.fill(now)
        self.schedule_ring(now)

    def on_granted(self, request: Request, now: float) -> None:
        """A request of ours was granted."""
        if request.priority == PRIORITY_NEAR:
            self._near_pause = self._config.shuffle_interval
        else:
            self._hood.vain_in_a_row = 0
        self._pause = self._config.repair_pause_min
        self.fill(now)

    def on_vain(self, request: Request, now: float) -> None:
        """A request came to nothing. One for a near place says nothing of how many have a place for us."""
        self._hood.counts.in_vain += 1
        if request.priority == PRIORITY_NEAR:
            return
        self._hood.vain_in_a_row += 1
        self._schedule_repair(now)
        self.schedule_ring(now)

    def on_repair_timer(self, now: float) -> None:
        if self._repair_at is not None and now >= self._repair_at:
            self._repair_at = None
            self.fill(now, insist=not self._hood.neighbours)

    def on_ring_timer(self, now: float) -> None:
        if self._ring_at is not None and now >= self._ring_at:
            self._ring_at = None
            self._ask_sides(self._hood.sides, now)

    def on_request_timer(self, peer: bytes, now: float) -> None:
        request = self._hood.requests.get(peer)
        if request is None or now < request.deadline:
            return
        self.withdraw(peer)
        if request.sent:
            self._hood.members.declined(peer, now, for_ring=request.priority == PRIORITY_RING)
        else:
            self._hood.members.failed(peer, now)
            self._hood.passive.remove(peer)
        self.on_vain(request, now)

    # --- requests -------------------------------------------------------------------------------------------

    def fill(self, now: float, insist: bool = False) -> None:
        """Ask for as many places as are free; with none taken, for one, and for one more with each asked in vain.
        `insist`: ask those too whose pause has not passed, the nearest to its end first."""
        hood = self._hood
        alone = not len(hood.active)
        slots = min(1 + hood.vain_in_a_row, hood.active.free) if alone else hood.active.free
        slots -= sum(request.fills_place for request in hood.requests.values())
        if slots <= 0:
            return
        for peer in self._candidates(slots, insist, now):
            join = alone and not any(request.join for request in hood.requests.values())
            self._ask(peer, Request(PRIORITY_ALONE if alone else PRIORITY_NORMAL, join=join), now)
        if any(hood.is_free(peer) for peer in hood.members):
            self._schedule_repair(now)

    def invite(self, peer: bytes, forced: bool, now: float) -> None:
        """Offer a place to a newcomer whose walk ended here. `forced`: even if somebody must leave for it."""
        hood = self._hood
        invites = sum(request.invited for request in hood.requests.values())
        if invites < OVERLAY_INVITES_MAX and (forced or hood.active.free) and hood.could_ask(peer, now):
            self._ask(peer, Request(PRIORITY_NORMAL, invited=True, forced=forced), now)

    def tend_ring(self, now: float) -> None:
        """Ask for a side that is missing, and for a nearer one that could not be reached when last dialled, which is
        how a healed partition is found. Let go of former sides, once the present ones stand."""
        hood = self._hood
        sides = hood.sides
        if all(hood.is_neighbour(peer) for peer in sides):
            for peer in hood.ring_view.outlived(sides):
                hood.part(peer)
        self._ask_sides((*sides, *hood.hopeful_sides(now)), now)

    def restore_share(self, now: float) -> None:
        """With too many inbound neighbours in a full view, try to replace one of them, ever more rarely."""
        hood = self._hood
        if hood.active.free or hood.active.inbound <= hood.active.inbound_max:
            self._share_pause = self._config.shuffle_interval
            return
        prospects = [peer for peer in hood.passive if hood.could_ask(peer, now) and hood.is_prospect(peer, now)]
        if now < self._share_at or not prospects:
            return
        self._share_at = now + self._share_pause
        self._share_pause = min(self._share_pause * 2, self._config.decline_pause_max)
        self._ask(self._rng.choice(prospects), Request(PRIORITY_NORMAL), now)

    def seek_near(self, now: float) -> None:
        """Ask some for a near place who are known to be near, or could be; ever more rarely while that is in vain."""
        hood = self._hood
        if now < self._near_at or len(hood.active) * 2 < hood.active.cap:
            return
        candidates = [peer for peer in hood.members if hood.could_ask(peer, now) and hood.near.is_worth_a_dial(peer)]
        if not candidates:
            return
        self._near_at = now + self._near_pause
        self._near_pause = min(self._near_pause * 2, self._config.near_pause_max)
        candidates.sort(key=lambda peer: (hood.near.rank(peer), self._rng.random()))
        for peer in candidates[: self._config.near_probes]:
            hood.counts.probes += 1
            self._ask(peer, Request(PRIORITY_NEAR), now)

    def send(self, peer: bytes, request: Request, now: float) -> None:
        """The link to `peer` is up: ask, unless it is for a near place and turned out to be too far for one."""
        if request.priority == PRIORITY_NEAR and not self._hood.near.is_wanted(peer):
            del self._hood.requests[peer]
            self._hood.effects.append(Disconnect(peer))
            return
        request.sent = True
        request.deadline = now + self._config.neighbor_timeout
        self._hood.effects.append(Send(peer, Join() if request.join else Neighbor(request.priority)))
        self._hood.effects.append(Schedule(request.deadline, ("overlay", "request", peer)))

    def withdraw(self, peer: bytes) -> None:
        """Say that an answer still under way no longer counts, and let go."""
        if self._hood.requests.pop(peer).sent:
            self._hood.effects.append(Send(peer, DisconnectNeighbor()))
        self._hood.effects.append(Disconnect(peer))

    def schedule_ring(self, now: float) -> None:
        if self._ring_at is None:
            self._ring_at = now + self.jittered(self._config.ring_delay)
            self._hood.effects.append(Schedule(self._ring_at, RING))

    def jittered(self, pause: float) -> float:
        return pause * self._rng.uniform(1 - self._config.jitter, 1 + self._config.jitter)

    def _candidates(self, count: int, insist: bool, now: float) -> list[bytes]:
        """Whom to ask: the passive view first, then any member; in each the prefixes that we have least of, and
        chance. Peers that linked to us come last once their share of the places is full."""
        hood = self._hood
        counts = count_prefixes(hood.active, hood.members.prefix_of)
        share_full = hood.active.inbound >= hood.active.inbound_max

        def rank(peer: bytes) -> tuple[float, bool, int, float]:
            waits = max(0.0, hood.members.ready_at(peer) - now)
            dialled_us = share_full and hood.is_linked_inbound(peer)
            return waits, dialled_us, counts.get(hood.members.prefix_of(peer), 0), self._rng.random()

        def eligible(peer: bytes) -> bool:
            return hood.is_free(peer) if insist else hood.could_ask(peer, now)

        chosen = sorted(filter(eligible, hood.passive), key=rank)[:count]
        if len(chosen) < count:
            others = (peer for peer in hood.members if eligible(peer) and peer not in hood.passive)
            chosen += sorted(others, key=rank)[: count - len(chosen)]
        return chosen

    def _ask_sides(self, sides: tuple[bytes, ...], now: float) -> None:
        for peer in sides:
            if self._hood.is_free(peer) and self._hood.members.is_ready_for_ring(peer, now):
                self._ask(peer, Request(PRIORITY_RING), now)

    def _ask(self, peer: bytes, request: Request, now: float) -> None:
        hood = self._hood
        if len(hood.requests) >= OVERLAY_REQUESTS_MAX:
            return
        request.asked = True
        request.deadline = now + self._config.connect_timeout
        hood.requests[peer] = request
        hood.hold(peer)
        if peer in hood.links:
            self.send(peer, request, now)
        else:
            hood.effects.append(Schedule(request.deadline, ("overlay", "request", peer)))

    def _schedule_repair(self, now: float) -> None:
        if self._repair_at is not None:
            return
        urgent = len(self._hood.active) * 2 < self._hood.active.cap
        pause_max = self._config.repair_pause_urgent if urgent else self._config.repair_pause_max
        # The jitter never adds to the longest pause: that is a promise to a node that is cut off.
        self._repair_at = now + min(self.jittered(self._pause), pause_max)
        self._pause = min(self._pause * 2, pause_max)
        self._hood.effects.append(Schedule(self._repair_at, REPAIR))
