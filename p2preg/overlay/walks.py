"""Random walks over the overlay: newcomers' cells (ForwardJoin) and samples of what is known (Shuffle). Cells stay
unopened here, the node verifies what was learned; and no walk changes a neighbourhood by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from p2preg.base.bounded import ExpiringDict
from p2preg.base.effects import Send
from p2preg.base.limits import OVERLAY_AWAITED_MAX
from p2preg.overlay.events import Learned
from p2preg.overlay.neighbourhood import Neighbourhood
from p2preg.wire.messages import DisconnectNeighbor, ForwardJoin, Shuffle, ShuffleReply

CellOf = Callable[[bytes], bytes | None]


class Walks:
    """Who is sent what next, which newcomers are awaited, and whether a reply to our own shuffle is."""

    def __init__(self, neighbourhood: Neighbourhood, cell_of: CellOf) -> None:
        self._hood = neighbourhood
        self._config = neighbourhood.config
        self._rng = neighbourhood.rng
        self._cell_of = cell_of
        self._awaited: ExpiringDict[bytes, bool] = ExpiringDict(OVERLAY_AWAITED_MAX, self._config.invite_life)
        self._reply_due = False

    # --- newcomers ------------------------------------------------------------------------------------------

    def start_join(self, newcomer: bytes, now: float) -> None:
        """Send a newcomer's cell on a walk through each other neighbour."""
        cell = self._cell_of(newcomer)
        if cell is None:
            return
        for neighbour in self._hood.neighbours:
            if neighbour != newcomer:
                self._step(neighbour, ForwardJoin(cell, self._config.active_random_walk_length), now)

    def on_forward_join(self, peer: bytes, message: ForwardJoin, now: float) -> None:
        """The walk ends at a free place too, which the paper's does not: so the first newcomers find each other."""
        if not self._hood.is_neighbour(peer):
            return
        ttl = min(message.ttl, self._config.active_random_walk_length)
        next_hop = self._next_hop(peer)
        known = self._is_known(message.cell)
        is_full = not self._hood.active.free
        at_end = ttl == 0 or next_hop is None
        if not known and (at_end or not is_full):
            self._awaited.set(message.cell, is_full, now)
            self._hood.effects.append(Learned((message.cell,), peer))
            return
        if not known and ttl == self._config.passive_random_walk_length:
            self._hood.effects.append(Learned((message.cell,), peer))
        if next_hop is not None and ttl > 0:
            self._step(next_hop, ForwardJoin(message.cell, ttl - 1), now)

    def take_awaited(self, peer: bytes, now: float) -> bool | None:
        """None unless `peer` is a newcomer whose walk ended here; then whether the view was full, so that somebody
        has to leave for it. It is no longer awaited."""
        cell = self._cell_of(peer) if len(self._awaited) else None
        return None if cell is None else self._awaited.pop(cell, now)

    # --- shuffles -------------------------------------------------------------------------------------------

    def start_shuffle(self, now: float) -> None:
        """Offer a sample of what we know to a random neighbour's surroundings; a reply is awaited until the next."""
        own_cell = self._cell_of(self._hood.own_id)
        neighbours = self._hood.neighbours
        if own_cell is None or not neighbours:
            return
        cells = self._sample(neighbours, self._config.shuffle_active)
        cells += self._sample(self._hood.passive, self._config.shuffle_passive)
        self._reply_due = True
        self._step(self._rng.choice(neighbours), Shuffle(self._config.shuffle_walk_length, [own_cell, *cells]), now)

    def on_shuffle(self, peer: bytes, message: Shuffle, now: float) -> None:
        """Pass it on, or keep it and answer the origin with as many cells. The answer needs a link that exists:
        dialling an origin on hearsay, as in the paper, would let anybody make us dial a third."""
        if not self._hood.is_neighbour(peer):
            # It counts us, and would push to us in vain. Not while we ask it: a DisconnectNeighbor after a request
            # would take that back at the peer, whose acceptance would still reach us.
            if peer not in self._hood.requests:
                self._hood.effects.append(Send(peer, DisconnectNeighbor()))
            return
        ttl = min(message.ttl, self._config.shuffle_walk_length) - 1
        next_hop = self._next_hop(peer)
        if ttl > 0 and next_hop is not None:
            self._step(next_hop, Shuffle(ttl, message.cells), now)
            return
        origin = next((other for other in self._hood.links if self._cell_of(other) == message.cells[0]), None)
        if origin is not None:
            self._hood.effects.append(Send(origin, ShuffleReply(self._sample(self._hood.passive, len(message.cells)))))
        self._hood.effects.append(Learned(tuple(message.cells), peer))

    def on_shuffle_reply(self, peer: bytes, message: ShuffleReply) -> None:
        """One reply is taken for each shuffle of ours, whoever it is from: the walk hides where it ended."""
        due, self._reply_due = self._reply_due, False
        if due and message.cells:
            self._hood.effects.append(Learned(tuple(message.cells), peer))

    # --- steps ----------------------------------------------------------------------------------------------

    def _step(self, peer: bytes, message: ForwardJoin | Shuffle, now: float) -> None:
        """Send one step of a walk, unless the peer would drop it as too much: then the walk ends here."""
        if self._hood.links[peer].sent.take(message, now, spend_beyond=False) >= 0:
            self._hood.counts.walks += 1
            self._hood.effects.append(Send(peer, message))

    def _next_hop(self, sender: bytes) -> bytes | None:
        others = [peer for peer in self._hood.neighbours if peer != sender]
        return self._rng.choice(others) if others else None

    def _is_known(self, cell: bytes) -> bool:
        """Whether `cell` is ours or a neighbour's."""
        return any(cell == self._cell_of(peer) for peer in (self._hood.own_id, *self._hood.neighbours))

    def _sample(self, peers: Iterable[bytes], count: int) -> list[bytes]:
        cells = [cell for cell in map(self._cell_of, peers) if cell is not None]
        return self._rng.sample(cells, min(count, len(cells)))
