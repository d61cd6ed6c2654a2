"""A network of overlay cores in virtual time: one event heap, links that keep order, and dials that take three
latencies and fail when nobody is there. A cell is the owner's id with a suffix, so reading one needs no signature."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from random import Random

from p2preg.base.effects import Connect, Disconnect, Misbehaved, Schedule, Send
from p2preg.base.events import ConnectFailed, Expired, NeighborDown, NeighborUp, PeerDown, PeerUp, Received
from p2preg.base.timers import TimerQueue
from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.core import SHUFFLE, OverlayCore
from p2preg.overlay.events import Learned, Member
from p2preg.overlay.repair import REPAIR, RING

SUFFIX = b" registry cell"
DIAL_LATENCIES = 3  # TCP, TLS, Hello
BLACK_HOLE_SECONDS = 4.0  # until a dial to a crashed host gives up


def peer_id(number: int) -> bytes:
    """Ids in no particular order of the ring, the same in each run."""
    return Random(number).randbytes(32)


class Node:
    def __init__(self, core: OverlayCore, prefix: str) -> None:
        self.core = core
        self.prefix = prefix
        self.timers = TimerQueue()
        self.needs: dict[bytes, None] = {}  # links that the core asked for and did not release
        self.up: dict[bytes, None] = {}  # neighbours, by what the effects said


class Network:
    """Latencies, up to `slowest` seconds each way, are drawn per pair and vary by `jitter`.
    `sticky`: other cores need every link, so none closes by itself. With several `regions`, each peer is in one of
    them, and the peers there are 2 ms away."""

    def __init__(
        self, seed: int, sticky: bool = False, jitter: float = 0.0, slowest: float = 0.1, regions: int = 1
    ) -> None:
        self.rng = Random(seed)
        self.seed = seed
        self.config = OverlayConfig()
        self.sticky = sticky
        self.jitter = jitter
        self.slowest = slowest
        self.regions = regions
        self.now = 0.0
        self.nodes: dict[bytes, Node] = {}
        self.trace: list[tuple[float, bytes, object]] = []
        self.messages = 0
        self.dials = 0
        self._links: dict[frozenset[bytes], tuple[int, bytes]] = {}  # pair -> (generation, dialler)
        self._latencies: dict[frozenset[bytes], float] = {}
        self._last: dict[tuple[bytes, bytes], float] = {}
        self._heap: list[tuple[float, int, tuple[object, ...]]] = []
        self._order = itertools.count()
        self._side: dict[bytes, None] = {}
        self._calm = False
        self._depth = 0  # of events within events

    # --- what tests do --------------------------------------------------------------------------------------

    def add(self, number: int, prefix: str | None = None) -> bytes:
        own = peer_id(number)
        rng = Random(self.seed * 1000 + number)
        core = OverlayCore(own, self.config, rng, lambda peer: peer + SUFFIX, self.region_of(own))
        self.nodes[own] = Node(core, f"10.0.{number}.0/24" if prefix is None else prefix)
        return own

    def introduce(self, node: bytes, *others: bytes) -> None:
        for other in others:
            if other != node:
                self._later(0.0, ("event", node, self._member(other)))

    def crash(self, node: bytes) -> None:
        """Gone without a word; the others' sockets say so after a latency."""
        del self.nodes[node]
        for pair in [pair for pair in self._links if node in pair]:
            del self._links[pair]
            (other,) = pair - {node}
            self._later(self._latency(pair), ("down", other, node))

    def cut(self, pair: frozenset[bytes]) -> None:
        del self._links[pair]
        one, other = sorted(pair)
        self._later(0.0, ("down", one, other))
        self._later(self._latency(pair), ("down", other, one))

    def split(self, side: Iterable[bytes]) -> None:
        """Nothing passes between `side` and the others; links between them break."""
        self._side = dict.fromkeys(side)
        for pair in self.pairs:
            if self._is_split(pair):
                self.cut(pair)

    def heal(self) -> None:
        self._side = {}

    def settle(self) -> None:
        """From now on nobody asks anew; run until every exchange under way has ended."""
        self._calm = True
        for _ in range(1_000):
            self.run(self.now + 1.0)
            if not self._heap and not any(core.statistics().requests for core in everybody(self)):
                return
        raise AssertionError("the network does not come to rest")

    def inject(self, node: bytes, event: object) -> None:
        self._later(0.0, ("event", node, event))

    def run(self, until: float) -> None:
        while True:
            at = min([node.timers.next_deadline() for node in self.nodes.values()] + [at for at, *_ in self._heap[:1]])
            if at > until:
                self.now = until
                return
            self.now = at
            for own, node in list(self.nodes.items()):
                for timer in node.timers.pop_due(at):
                    if self._calm and timer in (REPAIR, RING, SHUFFLE):
                        continue
                    self._deliver(own, Expired(timer))
            while self._heap and self._heap[0][0] <= at:
                self._happen(*heapq.heappop(self._heap)[2])

    def region_of(self, peer: bytes) -> str:
        return f"region {peer[0] % self.regions}"

    # --- what tests ask -------------------------------------------------------------------------------------

    @property
    def pairs(self) -> list[frozenset[bytes]]:
        return list(self._links)

    def asymmetric(self) -> list[tuple[bytes, bytes]]:
        return [
            (own[:2], peer[:2])
            for own, node in self.nodes.items()
            for peer in node.core.neighbours
            if peer not in self.nodes or own not in self.nodes[peer].core.neighbours
        ]

    def is_connected(self) -> bool:
        start = next(iter(self.nodes))
        seen, edge = {start: None}, [start]
        while edge:
            for peer in self.nodes[edge.pop()].core.neighbours:
                if peer in self.nodes and peer not in seen:
                    seen[peer] = None
                    edge.append(peer)
        return len(seen) == len(self.nodes)

    def is_full_mesh(self) -> bool:
        return all(len(node.core.neighbours) == len(self.nodes) - 1 for node in self.nodes.values())

    def ring_holds(self) -> bool:
        ids = sorted(self.nodes)
        return all(
            ids[at - 1] in self.nodes[own].core.neighbours and own in self.nodes[ids[at - 1]].core.neighbours
            for at, own in enumerate(ids)
        )

    # --- the machinery --------------------------------------------------------------------------------------

    def _is_split(self, pair: frozenset[bytes]) -> bool:
        return bool(self._side) and len([peer for peer in pair if peer in self._side]) == 1

    def _member(self, peer: bytes) -> Member:
        return Member(peer, self._prefix(peer), self.region_of(peer))

    def _prefix(self, peer: bytes) -> str:
        return self.nodes[peer].prefix if peer in self.nodes else "10.9.9.0/24"

    def _latency(self, pair: frozenset[bytes]) -> float:
        if pair not in self._latencies:
            is_near = self.regions > 1 and len({self.region_of(peer) for peer in pair}) == 1
            self._latencies[pair] = 0.002 if is_near else self.rng.uniform(0.01, self.slowest)
        return self._latencies[pair] * self.rng.uniform(1.0, 1.0 + self.jitter)

    def _round_trip(self, pair: frozenset[bytes]) -> float:
        return self._latency(pair) + self._latency(pair)  # each end measures for itself

    def _later(self, delay: float, what: tuple[object, ...]) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._order), what))

    def _happen(self, what: str, *rest: object) -> None:
        getattr(self, f"_on_{what}")(*rest)

    def _on_down(self, own: bytes, peer: bytes) -> None:
        """Unless a new link took the old one's place unnoticed."""
        if frozenset((own, peer)) not in self._links:
            self._deliver(own, PeerDown(peer))

    def _on_event(self, own: bytes, event: object) -> None:
        self._deliver(own, event)

    def _on_message(self, sender: bytes, receiver: bytes, generation: int, message: object) -> None:
        if self._links.get(frozenset((sender, receiver)), (None,))[0] == generation:
            self._deliver(receiver, Received(sender, message))

    def _on_dialled(self, dialler: bytes, peer: bytes) -> None:
        pair = frozenset((dialler, peer))
        if dialler not in self.nodes:
            return
        if peer not in self.nodes or self._is_split(pair):
            self._deliver(dialler, ConnectFailed(peer))
            return
        if pair not in self._links:
            self._links[pair] = (next(self._order), dialler)
            self._meet(peer, dialler)
            self._deliver(peer, PeerUp(dialler, False, self._round_trip(pair)))
        self._meet(dialler, peer)
        if pair in self._links:
            self._deliver(dialler, PeerUp(peer, self._links[pair][1] == dialler, self._round_trip(pair)))

    def _on_closed(self, pair: frozenset[bytes], generation: int) -> None:
        if self._links.get(pair, (None,))[0] == generation:
            del self._links[pair]
            for own in sorted(pair):
                (other,) = pair - {own}
                self._deliver(own, PeerDown(other))

    def _meet(self, own: bytes, peer: bytes) -> None:
        """Hello carries the registry cell, so whoever links is known."""
        self._deliver(own, self._member(peer))

    def _deliver(self, own: bytes, event: object) -> None:
        node = self.nodes.get(own)
        if node is None:
            return
        if isinstance(event, PeerDown | ConnectFailed):
            node.needs.pop(event.peer, None)
        self._depth += 1
        for effect in node.core.handle(event, self.now):
            self.trace.append((self.now, own, effect))
            self._carry_out(own, node, effect)
        node.core.check_invariants()
        self._depth -= 1
        if self._depth:
            return
        assert sorted(node.up) == sorted(node.core.neighbours), "the effects tell of every neighbour"
        assert all(peer in node.needs for peer in node.core.neighbours), "the link to a neighbour is asked for"

    def _carry_out(self, own: bytes, node: Node, effect: object) -> None:
        match effect:
            case Send(peer, message):
                self._send(own, peer, message)
            case Schedule(at, timer):
                assert at >= self.now
                node.timers.set(timer, at)
            case Connect(peer):
                assert peer not in node.needs, "a link is asked for once"
                node.needs[peer] = None
                self._dial(own, peer)
            case Disconnect(peer):
                assert peer in node.needs, "only what was asked for is released"
                del node.needs[peer]
                self._release(own, peer)
            case NeighborUp(peer):
                assert peer not in node.up
                node.up[peer] = None
            case NeighborDown(peer):
                del node.up[peer]
            case Learned(cells, _):
                for peer in (cell.removesuffix(SUFFIX) for cell in cells):
                    self._later(0.001, ("event", own, self._member(peer)))
            case Misbehaved():
                raise AssertionError(f"an honest peer was called {effect}")

    def _send(self, own: bytes, peer: bytes, message: object) -> None:
        self.messages += 1
        pair = frozenset((own, peer))
        if pair not in self._links:
            return
        at = max(self.now + self._latency(pair), self._last.get((own, peer), 0.0))
        self._last[own, peer] = at
        self._later(at - self.now, ("message", own, peer, self._links[pair][0], message))

    def _dial(self, own: bytes, peer: bytes) -> None:
        pair = frozenset((own, peer))
        if pair in self._links:
            up = PeerUp(peer, self._links[pair][1] == own, self._round_trip(pair))
            self._deliver(own, up)  # at once, amid the other effects
            return
        self.dials += 1
        self._later(
            BLACK_HOLE_SECONDS if peer not in self.nodes else self._latency(pair) * DIAL_LATENCIES,
            ("dialled", own, peer),
        )

    def _release(self, own: bytes, peer: bytes) -> None:
        pair = frozenset((own, peer))
        if pair in self._links and not self.sticky:
            delay = max(self._latency(pair), self._last.get((own, peer), 0.0) - self.now)
            self._later(delay, ("closed", pair, self._links[pair][0]))


def degrees(network: Network) -> list[int]:
    return sorted(len(node.core.active) for node in network.nodes.values())


def everybody(network: Network) -> Iterable[OverlayCore]:
    return [node.core for node in network.nodes.values()]
