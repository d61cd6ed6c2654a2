"""When IHAVEs and PRUNEs leave: what one link has to say is collected for a while (docs/adr/0012-announcements.md)."""

from __future__ import annotations

import math
from collections import Counter

from p2preg.base.effects import Schedule, Send
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.effects import Effect
from p2preg.broadcast.link import Link

TIMER = ("broadcast", "announce")


class Announcing:
    """Of the two ends of a link one goes first. The other waits twice as long, and as it announces nothing that was
    announced to it, it seldom has to say anything."""

    def __init__(self, config: BroadcastConfig, own_id: bytes, links: dict[bytes, Link], counts: Counter[str]) -> None:
        self._config = config
        self._own_id = own_id
        self._links = links
        self._counts = counts
        self._timer_at = math.inf

    def patience(self, peer: bytes) -> float:
        """How many seconds an announcement may wait for company. Half of all pairs are turned around, so that nobody
        goes first, or second, on all of its links for being small in the order of ids."""
        goes_first = (self._own_id < peer) == bool((self._own_id[-1] ^ peer[-1]) & 1)
        return self._config.announce_interval * (1 if goes_first else 2)

    def prune(self, link: Link, origin: bytes, now: float) -> list[Effect]:
        """Put `origin` into the next PRUNE."""
        link.prunes[origin] = now + self._config.announce_interval
        return self.schedule(link.prunes[origin])

    def schedule(self, due: float) -> list[Effect]:
        """Something was queued that is due then. The timer stands at what is due first, or earlier."""
        if due >= self._timer_at:
            return []
        self._timer_at = due
        return [Schedule(due, TIMER)]

    def on_timer(self, now: float) -> list[Effect]:
        """Links of which the other end was faster have nothing due any more."""
        self._timer_at, later = math.inf, math.inf
        effects: list[Effect] = []
        for peer, link in self._links.items():
            due = link.due
            if due > now:
                later = min(later, due)
                continue
            self._counts["ihaves_sent"] += link.waiting
            self._counts["prunes_sent"] += len(link.prunes)
            effects += [Send(peer, message) for message in link.flush()]
        return effects + self.schedule(later)
