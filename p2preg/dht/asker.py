"""FindNode requests under way: over which link, until when, and for which lookup.

A peer without a link is dialled first; the links dialled for this are given up when nobody has used them for a while.
Which request is made, and what its answer means, is `dht.core`'s part."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.bounded import BoundedDict
from p2preg.base.effects import Connect, Disconnect, Schedule, Send
from p2preg.base.limits import DHT_DIALLED_MAX, DHT_PEERS_MAX, DHT_REQUESTS_MAX
from p2preg.dht.config import DhtConfig
from p2preg.dht.effects import Effect
from p2preg.dht.roundtrip import RoundTrip
from p2preg.wire.messages import FindNode


@dataclass(slots=True)
class Ask:
    """`lookup`: the number of the lookup that asks, None for a ping. `sent_at`: None while the peer is being dialled.
    `overdue`: its deadline has passed; a lookup's ask then stays open, for a late answer counts as long as it runs."""

    peer: bytes
    target: bytes
    lookup: int | None
    sent_at: float | None = None
    overdue: bool = False


class Asker:
    """Every open request by its number on the wire, and the links that serve them."""

    def __init__(self, config: DhtConfig) -> None:
        self._config = config
        self._links: BoundedDict[bytes, RoundTrip] = BoundedDict(DHT_PEERS_MAX)
        self._dialled: dict[bytes, None] = {}  # by us, in the order of their first use
        self._asks: dict[int, Ask] = {}
        self.issued = 0

    def __len__(self) -> int:
        return len(self._asks)

    @property
    def links(self) -> int:
        return len(self._links)

    @property
    def dialled(self) -> int:
        return len(self._dialled)

    def is_linked(self, peer: bytes) -> bool:
        return peer in self._links

    def is_asking(self, peer: bytes) -> bool:
        return any(ask.peer == peer for ask in self._asks.values())

    def is_waiting_for(self, lookup: int) -> bool:
        """Whether an answer that is not overdue can still move `lookup` on."""
        return any(ask.lookup == lookup and not ask.overdue for ask in self._asks.values())

    def get(self, request: int) -> Ask | None:
        return self._asks.get(request)

    def patience(self, peer: bytes) -> float:
        """Seconds that `peer` gets to answer; without a link they include the dialling."""
        link = self._links.get(peer)
        return self._config.dial_timeout if link is None else link.timeout

    def ask(self, peer: bytes, target: bytes, lookup: int | None, now: float) -> list[Effect]:
        """Ask `peer` for what is nearest to `target`. No effects: the caps leave no room, and nothing was asked."""
        if len(self._asks) >= DHT_REQUESTS_MAX:
            return []
        effects = [] if self.is_linked(peer) else self._dial(peer)
        if effects is None:
            return []
        request = self.issued
        self.issued += 1
        ask = self._asks[request] = Ask(peer, target, lookup)
        if self.is_linked(peer):
            effects.append(self._send(request, ask, now))
        return [*effects, Schedule(now + self.patience(peer), ("dht", "request", request))]

    def _send(self, request: int, ask: Ask, now: float) -> Effect:
        ask.sent_at = now
        return Send(ask.peer, FindNode(request, ask.target))

    def _dial(self, peer: bytes) -> list[Effect] | None:
        """Have a link to `peer`; None when every dialled link is in use."""
        if any(ask.peer == peer and ask.sent_at is None for ask in self._asks.values()):
            return []  # it is being dialled already
        effects: list[Effect] = []
        if peer not in self._dialled and len(self._dialled) >= DHT_DIALLED_MAX:
            idle = next((other for other in self._dialled if not self.is_asking(other)), None)
            if idle is None:
                return None
            effects += self.give_up_link(idle)
        self._dialled[peer] = None
        return [*effects, Connect(peer)]

    def on_peer_up(self, peer: bytes, now: float) -> list[Effect]:
        """The requests that waited for this link leave now. Their deadlines stand."""
        self._links.set(peer, RoundTrip(self._config))
        waiting = [(request, ask) for request, ask in self._asks.items() if ask.peer == peer and ask.sent_at is None]
        return [self._send(request, ask, now) for request, ask in waiting]

    def on_peer_gone(self, peer: bytes) -> list[Ask]:
        """The link is down or was never made: the requests that were lost with it."""
        self._links.pop(peer)
        self._dialled.pop(peer, None)
        lost = {request: ask for request, ask in self._asks.items() if ask.peer == peer}
        for request in lost:
            del self._asks[request]
        return list(lost.values())

    def on_answer(self, request: int, now: float) -> list[Effect]:
        """The request is answered; its round trip is a sample."""
        ask = self._asks.pop(request)
        link = self._links.get(ask.peer)
        if link is not None and ask.sent_at is not None:
            link.sample(now - ask.sent_at)
        return self._linger(ask.peer, now)

    def on_deadline(self, request: int, now: float) -> tuple[Ask | None, list[Effect]]:
        """The request that is overdue from now on; None when it was answered in time."""
        ask = self._asks.get(request)
        if ask is None:
            return None, []
        ask.overdue = True
        link = self._links.get(ask.peer)
        if link is not None:
            link.back_off()
        if ask.lookup is not None:
            return ask, []
        del self._asks[request]
        return ask, self._linger(ask.peer, now)

    def on_lookup_end(self, lookup: int, now: float) -> list[Effect]:
        """Its requests don't matter any more."""
        moot = {request: ask for request, ask in self._asks.items() if ask.lookup == lookup}
        for request in moot:
            del self._asks[request]
        return [effect for ask in moot.values() for effect in self._linger(ask.peer, now)]

    def _linger(self, peer: bytes, now: float) -> list[Effect]:
        if peer not in self._dialled:
            return []
        return [Schedule(now + self._config.link_linger, ("dht", "link", peer))]

    def give_up_link(self, peer: bytes) -> list[Effect]:
        """The link that we dialled is not needed any more, unless a request uses it."""
        if peer not in self._dialled or self.is_asking(peer):
            return []
        del self._dialled[peer]
        return [Disconnect(peer)]

    def check_invariants(self) -> None:
        assert len(self._asks) <= DHT_REQUESTS_MAX
        assert len(self._dialled) <= DHT_DIALLED_MAX
        assert len(self._links) <= DHT_PEERS_MAX
        assert all(request < self.issued for request in self._asks)
        for ask in self._asks.values():
            assert ask.sent_at is not None or ask.peer in self._dialled, "what was not sent waits for a link"
