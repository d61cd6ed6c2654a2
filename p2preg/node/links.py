"""The links that there are, who wants which, where registries are dialled, and the operator's seeds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from p2preg.base.events import ConnectFailed, PeerUp
from p2preg.dht.contact import Contact
from p2preg.node.addresses import Addresses
from p2preg.node.config import NodeConfig
from p2preg.node.effects import Dial
from p2preg.node.events import OURSELVES
from p2preg.node.seeds import Seeds

RELEASED_SECONDS = 1.0  # a link that was let go is closed when it has been quiet for so long


@dataclass(slots=True)
class Linked:
    """A link in use. `round_trip`: seconds, when it came up. `released`: no core that asked for it needs it now."""

    outbound: bool
    used_at: float
    round_trip: float | None
    released: bool = False


class Links:
    """Decides nothing about whom to link with; the cores do. Bounded by the transport's cap on links."""

    def __init__(self, config: NodeConfig, now: float) -> None:
        self._idle = config.idle_link
        self._links: dict[bytes, Linked] = {}
        self._wanted: dict[bytes, dict[str, None]] = {}  # peers being dialled → the cores that wait for them
        self.addresses = Addresses(config.dial_backoff_min, config.dial_backoff_max)
        strangers = tuple(seed for seed in config.seeds if seed not in config.endpoints)
        self.seeds = Seeds(strangers, config.dial_backoff_min, config.dial_backoff_max, now)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._links

    def is_outbound(self, peer: bytes) -> bool | None:
        """Whether we dialled the link to `peer`; None without one."""
        linked = self._links.get(peer)
        return None if linked is None else linked.outbound

    def up(self, contact: Contact, outbound: bool, address: str, now: float, round_trip: float | None = None) -> None:
        """`address`: the other end as it was dialled, perhaps by another name than the one it goes by itself."""
        peer = contact.public_key
        self._links[peer] = Linked(outbound, now, round_trip)
        self._wanted.pop(peer, None)
        self.addresses.learn(peer, contact.endpoint)
        self.addresses.succeeded(peer)
        for endpoint in dict.fromkeys((contact.endpoint, address)):
            self.seeds.answered(endpoint, peer, now)

    def down(self, peer: bytes) -> bool:
        """Whether there was one."""
        return self._links.pop(peer, None) is not None

    def used(self, peer: bytes, now: float) -> bool:
        """Something came over the link to `peer`; False when there is none."""
        linked = self._links.get(peer)
        if linked is not None:
            linked.used_at = now
        return linked is not None

    def release(self, peer: bytes) -> None:
        """A core no longer needs the link."""
        linked = self._links.get(peer)
        if linked is not None:
            linked.released = True

    def connect(self, core: str, peer: bytes, now: float) -> Dial | PeerUp | ConnectFailed | None:
        """What follows from a core's wish for a link: an answer for it at once, or a dial (None: one is under way)
        whose outcome is the answer."""
        linked = self._links.get(peer)
        if linked is not None:
            return PeerUp(peer, linked.outbound, linked.round_trip)
        endpoint = self.addresses.start_dial(peer, now)
        if endpoint is None and not self.addresses.is_dialling(peer):
            return ConnectFailed(peer)
        self._wanted.setdefault(peer, {})[core] = None
        return Dial(endpoint, peer) if endpoint is not None else None

    def dial_failed(self, endpoint: str, expected: bytes | None, reason: str, now: float) -> list[str]:
        """The cores to be told that `expected` could not be reached; a seed is simply tried again later."""
        if expected is None:
            self.seeds.failed(endpoint, now)
            if reason == OURSELVES:
                self.seeds.is_ourselves(endpoint)
            return []
        self.addresses.failed(expected, now)
        return list(self._wanted.pop(expected, {}))

    def dials_due(self, now: float) -> list[Dial]:
        """Seeds to dial now."""
        return [Dial(endpoint, None) for endpoint in self.seeds.due(now, lonely=not self._links)]

    def idle(self, neighbours: Collection[bytes], now: float) -> list[bytes]:
        """Links that nobody needs any more."""
        return [
            peer
            for peer, linked in self._links.items()
            if peer not in neighbours
            and now - linked.used_at > (RELEASED_SECONDS if linked.released else self._idle)
        ]
