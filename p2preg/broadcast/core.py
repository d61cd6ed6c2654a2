"""Plumtree (Leitão, Pereira and Rodrigues 2007) with one eager/lazy split per origin.

Payloads go along the eager links of their origin's tree, announcements over all others, and a GRAFT fetches what was
announced and did not come. Departures from the paper: no hop counts (nobody signs them) and so no optimisation of the
tree; PRUNE and IHAVE are collected per link, of which one end announces first; a link that announces is lazy at our
end too; ids are computed by the receiver. Batches are parsed here, verified by the node, and forwarded only after its
verdict.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from p2preg.base.bounded import ExpiringDict
from p2preg.base.effects import Misbehaved, Send
from p2preg.base.events import Expired, NeighborDown, NeighborUp, Received
from p2preg.base.limits import (
    ANNOUNCED_MAX,
    BROADCAST_NEIGHBORS_MAX,
    BROADCAST_ORIGINS_MAX,
    CACHED_BATCHES_MAX,
    CACHED_BYTES_MAX,
    CACHED_SECONDS,
    GAP_SPANS_MAX,
    GRAFT_ANSWER_BYTES_MAX,
    GRAFT_ANSWERS_KEPT_MAX,
    GRAFT_ANSWERS_MAX,
    ITEMS_PER_MESSAGE_MAX,
    PENDING_BATCHES_MAX,
    PENDING_BYTES_MAX,
    SEEN_BATCHES_MAX,
    SEEN_SECONDS,
)
from p2preg.broadcast.announcing import Announcing
from p2preg.broadcast.batch import Batch, BatchInvalid, batch_id_of, parse_batch
from p2preg.broadcast.cache import PayloadCache
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.effects import Deliver, Effect, UnknownOrigin
from p2preg.broadcast.events import Accepted, OriginDropped, OriginHeld, Publish, Refused
from p2preg.broadcast.gaps import Gaps
from p2preg.broadcast.grafts import Grafts
from p2preg.broadcast.link import Link, Queued
from p2preg.broadcast.origin import Origin
from p2preg.broadcast.pending import Pending
from p2preg.broadcast.statistics import BroadcastStatistics
from p2preg.broadcast.tree import Tree
from p2preg.wire.messages import Announcement, Gossip, Graft, IHave, Prune


class BroadcastCore:
    """Spreads batches of the held registries, our own among them, to and from our neighbours."""

    def __init__(
        self,
        own_id: bytes,
        network: str,
        config: BroadcastConfig,
        parse: Callable[[bytes, str], Batch] = parse_batch,
        make_tree: Callable[[BroadcastConfig], Tree] = Tree,
    ) -> None:
        """`parse`: what opens a batch; a simulator has each opened once for all its registries. `make_tree`: called
        for each origin; a simulator compares with other ways to spread."""
        config.validate()
        self._parse = parse
        self._make_tree = make_tree
        self._own_id = own_id
        self._network = network
        self._config = config
        self._links: dict[bytes, Link] = {}
        self._origins: dict[bytes, Origin] = {own_id: Origin(make_tree(config))}
        self._seen: ExpiringDict[bytes, tuple[bytes, bytes]] = ExpiringDict(SEEN_BATCHES_MAX, SEEN_SECONDS)
        self._answered: ExpiringDict[tuple[bytes, bytes], int] = ExpiringDict(GRAFT_ANSWERS_KEPT_MAX, CACHED_SECONDS)
        self._cache = PayloadCache()
        self._latest: deque[Queued] = deque(maxlen=ITEMS_PER_MESSAGE_MAX)  # a new link is told in one message
        self._pending = Pending()
        self._counts: Counter[str] = Counter()
        self._gaps = Gaps(config, self._origins, self._counts)
        self._grafts = Grafts(config, self._links, self._origins, self._gaps, self._counts)
        self._announcing = Announcing(config, own_id, self._links, self._counts)

    def handle(self, event: object, now: float) -> list[Effect]:
        match event:
            case Received(peer, Gossip(batch=raw)):
                return self._on_gossip(peer, raw, now)
            case Received(peer, message):
                return self._on_control(peer, message, now) if peer in self._links else []
            case Accepted(batch):
                return self._on_accepted(batch, now)
            case Refused(batch_id):
                return self._on_refused(batch_id)
            case Publish(batch):
                return self._on_publish(batch, now)
            case Expired(("broadcast", "announce")):
                return self._announcing.on_timer(now)
            case Expired(("broadcast", "graft")):
                return self._grafts.on_timer(now)
            case Expired(("broadcast", "gap", bytes(origin_id))):
                return self._gaps.on_timer(origin_id, now)
            case NeighborUp(peer):
                return self._on_neighbor_up(peer, now)
            case NeighborDown(peer):
                return self._on_neighbor_down(peer, now)
            case OriginHeld(origin_id):
                return self._on_origin_held(origin_id)
            case OriginDropped(origin_id):
                return self._on_origin_dropped(origin_id)
        raise AssertionError(f"no rule for {event!r}")

    # --- questions ------------------------------------------------------------------------------------------

    def eager(self, origin_id: bytes) -> tuple[bytes, ...]:
        """The neighbours to which that origin's batches are pushed; none when it is not held."""
        origin = self._origins.get(origin_id)
        return tuple(origin.tree.eager) if origin else ()

    def lazy(self, origin_id: bytes) -> tuple[bytes, ...]:
        """The neighbours to which they are announced; none when it is not held."""
        origin = self._origins.get(origin_id)
        return tuple(peer for peer in self._links if peer not in origin.tree.eager) if origin else ()

    def has_accepted(self, origin_id: bytes, counter: int) -> bool:
        """Whether the batch of that counter came, in the latest epoch of that origin that we know."""
        origin = self._origins.get(origin_id)
        return origin is not None and origin.progress.has(origin.progress.epoch, counter)

    def statistics(self) -> BroadcastStatistics:
        return BroadcastStatistics(
            **self._counts,
            neighbors=len(self._links),
            origins=len(self._origins),
            pending=len(self._pending),
            missing=len(self._grafts.missing),
            seen=len(self._seen),
            cached=len(self._cache),
            cache_bytes=self._cache.bytes,
            graft_timeout=self._grafts.timeout.first,
        )

    def check_invariants(self) -> None:
        assert self._own_id in self._origins and self._own_id not in self._links
        for origin in self._origins.values():
            assert origin.tree.known() <= self._links.keys()
            assert len(origin.progress.missing) <= GAP_SPANS_MAX
        for link in self._links.values():
            assert link.prunes.keys() <= self._origins.keys()
        assert len(self._links) <= BROADCAST_NEIGHBORS_MAX
        assert len(self._origins) <= BROADCAST_ORIGINS_MAX
        assert len(self._pending) <= PENDING_BATCHES_MAX and self._pending.bytes <= PENDING_BYTES_MAX
        assert len(self._grafts.missing) <= ANNOUNCED_MAX
        assert len(self._seen) <= SEEN_BATCHES_MAX and len(self._answered) <= GRAFT_ANSWERS_KEPT_MAX
        assert len(self._cache) <= CACHED_BATCHES_MAX and 0 <= self._cache.bytes <= CACHED_BYTES_MAX

    # --- neighbours and origins -----------------------------------------------------------------------------

    def _on_neighbor_up(self, peer: bytes, now: float) -> list[Effect]:
        """Our own batches are pushed over a new link, and those of silent origins. The others have a tree. What arrived
        lately is announced: perhaps the peer was cut off meanwhile, or we were when we published it."""
        if peer in self._links or len(self._links) >= BROADCAST_NEIGHBORS_MAX:
            return []
        link = self._links[peer] = Link(self._announcing.patience(peer))
        for origin_id, origin in self._origins.items():
            if origin_id == self._own_id or now - origin.heard_at >= self._config.heard_recently:
                origin.tree.eager[peer] = None
        lately = [said for at, said in self._latest if now - at <= self._config.heard_lately]
        for said in lately:
            link.announce(said.batch_id, (now - link.patience, said))
        return self._announcing.schedule(now) if lately else []

    def _on_neighbor_down(self, peer: bytes, now: float) -> list[Effect]:
        """Where batches came over the lost link, another neighbour is asked for them. Was it the wrong one, further
        from the origin than we are, the announcements of the others repair the tree."""
        self._links.pop(peer, None)
        for origin in self._origins.values():
            origin.tree.forget(peer)
        self._grafts.missing.forget_announcer(peer)
        return self._grafts.replace_parent(peer, now)

    def _on_origin_held(self, origin_id: bytes) -> list[Effect]:
        """As in the paper all links start eager, and the first batch draws the tree."""
        if origin_id not in self._origins and len(self._origins) < BROADCAST_ORIGINS_MAX:
            origin = self._origins[origin_id] = Origin(self._make_tree(self._config))
            origin.tree.eager.update(dict.fromkeys(self._links))
        return []

    def _on_origin_dropped(self, origin_id: bytes) -> list[Effect]:
        if origin_id != self._own_id and self._origins.pop(origin_id, None) is not None:
            self._grafts.missing.forget_origin(origin_id)
            for link in self._links.values():
                link.prunes.pop(origin_id, None)
        return []

    # --- batches --------------------------------------------------------------------------------------------

    def _on_publish(self, batch: Batch, now: float) -> list[Effect]:
        assert batch.origin == self._own_id, "only own batches are published"
        self._counts["published"] += 1
        self._origins[self._own_id].progress.accept(batch.epoch, batch.counter, math.inf)
        return self._spread(batch, self._own_id, (), (), now)

    def _on_gossip(self, peer: bytes, raw: bytes, now: float) -> list[Effect]:
        batch_id = batch_id_of(raw)
        if peer not in self._links and not self._grafts.was_asked(peer, batch_id):
            return []
        if (seen := self._seen.get(batch_id, now)) is not None:
            return self._on_duplicate(peer, batch_id, *seen, now)
        if (unjudged := self._pending.get(batch_id)) is not None:
            effects = self._on_duplicate(peer, batch_id, unjudged.origin, unjudged.first_sender, now)
            unjudged.senders[peer] = None
            return effects
        try:
            batch = self._parse(raw, self._network)
        except BatchInvalid as error:
            self._counts["invalid"] += 1
            return [Misbehaved(peer, str(error))]
        return self._on_new_batch(peer, batch, now)

    def _on_new_batch(self, peer: bytes, batch: Batch, now: float) -> list[Effect]:
        holders = self._grafts.arrived(peer, batch.batch_id, now)
        origin = self._origins.get(batch.origin)
        if origin is None:
            self._counts["unknown_origin"] += 1
            return [UnknownOrigin(peer, batch)]
        if origin.progress.is_stale(batch.epoch):
            self._counts["stale"] += 1
            return []
        if origin.progress.has(batch.epoch, batch.counter):
            self._counts["duplicates"] += 1
            return []
        if not self._pending.add(batch, peer, holders):
            self._counts["overflowed"] += 1
            return []
        self._counts["delivered"] += 1
        return [Deliver(peer, batch)]

    def _on_duplicate(
        self, peer: bytes, batch_id: bytes, origin_id: bytes, first_sender: bytes, now: float
    ) -> list[Effect]:
        """The later of two senders leaves the tree, but only if the earlier one is in it: otherwise two crossing
        PRUNEs would leave us without a parent."""
        self._counts["duplicates"] += 1
        link, origin = self._links.get(peer), self._origins.get(origin_id)
        if link is None or origin is None:
            return []
        link.has(batch_id)
        tree = origin.tree
        if peer == first_sender or (first_sender != self._own_id and first_sender not in tree.eager):
            return []
        if tree.was_pruned(peer, now) or tree.was_grafted(peer, now):
            return []
        tree.prune(peer, now)
        return self._announcing.prune(link, origin_id, now)

    def _on_accepted(self, batch: Batch, now: float) -> list[Effect]:
        unjudged = self._pending.pop(batch.batch_id)
        origin = self._origins.get(batch.origin)
        if unjudged is None or origin is None or origin.progress.is_stale(batch.epoch):
            return []
        self._counts["accepted"] += 1
        origin.heard_at = now
        sender = unjudged.first_sender
        if sender in self._links and not origin.tree.was_pruned(sender, now):
            origin.tree.eager[sender] = None
        origin.parent = sender if batch.interval_ms else None  # after a farewell nothing more comes
        effects = self._gaps.advance(batch, now)
        holders = unjudged.senders | unjudged.holders
        return effects + self._spread(batch, sender, unjudged.senders, holders, now)

    def _on_refused(self, batch_id: bytes) -> list[Effect]:
        unjudged = self._pending.pop(batch_id)
        if unjudged is None:
            return []
        self._counts["refused"] += 1
        return [Misbehaved(peer, "sent a batch that does not verify") for peer in unjudged.senders]

    def _spread(
        self, batch: Batch, sender: bytes, senders: Iterable[bytes], holders: Iterable[bytes], now: float
    ) -> list[Effect]:
        """Push over eager links, except to who sent it; announce over lazy ones, except to who is known to have it."""
        self._seen.set(batch.batch_id, (batch.origin, sender), now)
        self._cache.add(batch.batch_id, batch.raw, now)
        tree = self._origins[batch.origin].tree
        queued = (now, Announcement(batch.batch_id, batch.origin, batch.epoch, batch.counter))
        self._latest.append(queued)
        gossip, patience = Gossip(batch.raw), math.inf
        effects: list[Effect] = []
        for peer, link in self._links.items():
            if peer in tree.eager:
                if peer not in senders:
                    effects.append(Send(peer, gossip))
            elif peer not in holders:
                link.announce(batch.batch_id, queued)
                patience = min(patience, link.patience)
        self._counts["pushes_sent"] += len(effects)
        return effects + self._announcing.schedule(now + patience)

    # --- control messages -----------------------------------------------------------------------------------

    def _on_control(self, peer: bytes, message: object, now: float) -> list[Effect]:
        match message:
            case IHave(announcements=announcements):
                for announcement in announcements:
                    self._on_announcement(peer, announcement, now)
                return self._grafts.schedule()
            case Graft(batch_ids=batch_ids, origins=origins):
                return self._on_graft(peer, batch_ids, origins, now)
            case Prune(origins=origins):
                for origin in (self._origins[key] for key in origins if key in self._origins):
                    origin.tree.make_lazy(peer)
        return []

    def _on_announcement(self, peer: bytes, announcement: Announcement, now: float) -> None:
        """Who announces what we lack would have pushed it, had it us as eager: then it is lazy here too."""
        batch_id = announcement.batch_id
        self._links[peer].has(batch_id)
        origin = self._origins.get(announcement.origin)
        if origin is None:
            return
        origin.announcer = peer
        if self._seen.get(batch_id, now) is not None:
            return
        if not origin.progress.wants(announcement.epoch, announcement.counter):
            return
        if announcement.origin != self._own_id and not origin.tree.was_grafted(peer, now):
            origin.tree.make_lazy(peer)
        if (unjudged := self._pending.get(batch_id)) is not None:
            unjudged.holders[peer] = None
        else:
            self._grafts.announced(peer, announcement, now)

    def _on_graft(self, peer: bytes, batch_ids: Sequence[bytes], origins: Sequence[bytes], now: float) -> list[Effect]:
        link = self._links[peer]
        for origin_id in origins:
            if origin_id in self._origins:
                self._origins[origin_id].tree.graft(peer, now)
                link.prunes.pop(origin_id, None)
        answers: list[Effect] = []
        room = GRAFT_ANSWER_BYTES_MAX
        for batch_id in dict.fromkeys(batch_ids):
            raw, times = self._cache.get(batch_id, now), self._answered.get((batch_id, peer), now) or 0
            if raw is None or times >= GRAFT_ANSWERS_MAX or len(raw) > room:
                self._counts["grafts_unanswered"] += 1
                continue
            room -= len(raw)
            self._answered.set((batch_id, peer), times + 1, now)
            answers.append(Send(peer, Gossip(raw)))
        self._counts["pushes_sent"] += len(answers)
        return answers
