"""Fetches what was announced and did not come: one announcer after the other, then a gap is reported. And asks for a
new parent where the tree has lost one."""

from __future__ import annotations

import math
from collections import Counter

from p2preg.base.effects import Schedule, Send
from p2preg.base.limits import ITEMS_PER_MESSAGE_MAX
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.effects import Effect
from p2preg.broadcast.gaps import Gaps
from p2preg.broadcast.graft_timeout import GraftTimeout
from p2preg.broadcast.link import Link
from p2preg.broadcast.missing import Missing, MissingMessages
from p2preg.broadcast.origin import Origin
from p2preg.wire.messages import Announcement, Graft

TIMER = ("broadcast", "graft")


class Grafts:
    """The missing messages, their timer, and what becomes of announcers that do not send."""

    def __init__(
        self,
        config: BroadcastConfig,
        links: dict[bytes, Link],
        origins: dict[bytes, Origin],
        gaps: Gaps,
        counts: Counter[str],
    ) -> None:
        self.missing = MissingMessages()
        self.timeout = GraftTimeout(config)
        self._config = config
        self._links = links
        self._origins = origins
        self._gaps = gaps
        self._counts = counts
        self._timer_at = math.inf

    def announced(self, peer: bytes, announcement: Announcement, now: float) -> None:
        """Wait for the tree's copy, then ask. Without a parent none can come, so there is nothing to wait for."""
        if not self._links[peer].is_demoted(now):
            origin = self._origins[announcement.origin]
            wait = self.timeout.first if origin.tree.can_bring(origin.parent) else 0.0
            self.missing.announce(announcement, peer, now, now + wait)

    def was_asked(self, peer: bytes, batch_id: bytes) -> bool:
        """Whether its answer is welcome even if it is no neighbour any more."""
        entry = self.missing.get(batch_id)
        return entry is not None and peer in entry.asked

    def arrived(self, peer: bytes, batch_id: bytes, now: float) -> list[bytes]:
        """`peer` sent that batch: it is missing no more. Who announced it, and so holds it."""
        entry = self.missing.pop(batch_id)
        if entry is None:
            self.timeout.observe(0.0)  # ahead of all announcements
            return []
        if peer not in entry.asked:
            self.timeout.observe(now - entry.announced_at)
        return [*entry.announcers, *entry.asked]

    def replace_parent(self, lost: bytes, now: float) -> list[Effect]:
        """GRAFT, though nothing is missing yet: for each origin whose batches came over the link that is `lost`, the
        neighbour that announced one last, else any."""
        asks: dict[bytes, list[bytes]] = {}
        for origin_id, origin in self._origins.items():
            if origin.parent != lost:
                continue
            origin.parent = None
            if now - origin.heard_at < self._config.heard_recently and (peer := self._successor(origin_id)) is not None:
                origin.parent = peer
                asks.setdefault(peer, []).append(origin_id)
        effects: list[Effect] = []
        for peer, origin_ids in asks.items():
            for at in range(0, len(origin_ids), ITEMS_PER_MESSAGE_MAX):
                effects.append(self._graft(peer, [], origin_ids[at : at + ITEMS_PER_MESSAGE_MAX], now))
        return effects

    def _successor(self, origin_id: bytes) -> bytes | None:
        """A lazy neighbour; an eager one is fed by us."""
        origin = self._origins[origin_id]
        lazy = [peer for peer in self._links if peer not in origin.tree.eager]
        if not lazy or origin.announcer in lazy:
            return origin.announcer if lazy else None
        return lazy[int.from_bytes(origin_id[:4]) % len(lazy)]

    def schedule(self) -> list[Effect]:
        if self.missing.next_due >= self._timer_at:
            return []
        self._timer_at = self.missing.next_due
        return [Schedule(self._timer_at, TIMER)]

    def on_timer(self, now: float) -> list[Effect]:
        """Ask the next announcer of each batch that is still missing; when there is none left, report the gap."""
        self._timer_at = math.inf
        due = list(self.missing.pop_due(now))
        for entry in due:
            self._count_broken_promise(entry, now)
        effects: list[Effect] = []
        asks: dict[bytes, list[Announcement]] = {}
        for entry in due:
            said = entry.announcement
            wanted = self._origins[said.origin].progress.wants(said.epoch, said.counter)
            peer = self.missing.ask(said.batch_id, now + self.timeout.retry) if wanted else None
            if peer is not None:
                asks.setdefault(peer, []).append(said)
                continue
            self.missing.pop(said.batch_id)
            if wanted:
                effects += self._give_up(entry, now)
        for peer, announcements in asks.items():
            effects += self._ask(peer, announcements, now)
        return effects + self.schedule()

    def _ask(self, peer: bytes, wanted: list[Announcement], now: float) -> list[Effect]:
        """GRAFT: ask `peer` for batches, and draw it into the trees of their origins."""
        effects: list[Effect] = []
        for at in range(0, len(wanted), ITEMS_PER_MESSAGE_MAX):
            part = wanted[at : at + ITEMS_PER_MESSAGE_MAX]
            origins = list(dict.fromkeys(said.origin for said in part))
            effects.append(self._graft(peer, [said.batch_id for said in part], origins, now))
        self._counts["grafts_sent"] += len(wanted)
        return effects

    def _graft(self, peer: bytes, batch_ids: list[bytes], origin_ids: list[bytes], now: float) -> Send:
        for origin_id in origin_ids:
            self._origins[origin_id].tree.graft(peer, now)
            self._links[peer].prunes.pop(origin_id, None)
        return Send(peer, Graft(batch_ids, origin_ids))

    def _count_broken_promise(self, entry: Missing, now: float) -> None:
        """The one asked last did not send it. Who breaks too many is asked no more, and leaves the trees."""
        peer = entry.last_asked
        if peer is None:
            return
        self._counts["broken_promises"] += 1
        link = self._links.get(peer)
        if link is not None and link.break_promise(now, self._config.demotion):
            self.missing.forget_announcer(peer)
            for origin in self._origins.values():
                origin.tree.make_lazy(peer)

    def _give_up(self, entry: Missing, now: float) -> list[Effect]:
        """Nobody sent it. The word of one who breaks its promises is not worth a reconciliation."""
        promiser = self._links.get(entry.first_announcer)
        if promiser is not None and promiser.is_demoted(now):
            return []
        said = entry.announcement
        return self._gaps.report(said.origin, said.epoch, (said.counter, said.counter), now)
