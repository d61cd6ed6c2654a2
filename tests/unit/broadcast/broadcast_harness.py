"""Helpers of the broadcast tests: keys and batches, one core on the bench, and a small network in virtual time."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from p2preg.base.effects import Misbehaved, Schedule, Send
from p2preg.base.events import Expired, NeighborDown, NeighborUp, Received
from p2preg.base.timers import TimerQueue
from p2preg.broadcast.batch import Batch, sign_batch
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.core import BroadcastCore
from p2preg.broadcast.effects import Deliver, Gap
from p2preg.broadcast.events import Accepted, OriginHeld, Publish, Refused
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify
from p2preg.wire.messages import Announcement, Gossip, Graft, IHave, Prune

NETWORK = "test-0123456789abcdef"


def key_of(name: str) -> IdentityKey:
    return IdentityKey(name.encode().ljust(32, b"."))


def batch_by(key: IdentityKey, counter: int, *, epoch: int = 1, cells: tuple[bytes, ...] = (b"cell",)) -> Batch:
    return sign_batch(
        key,
        network=NETWORK,
        epoch=epoch,
        counter=counter,
        issued_ms=1_700_000_000_000 + counter,
        uptime_ms=counter,
        interval_ms=5_000,
        cells=cells,
    )


ALICE, BOB, CAROL, DAVE, MALLORY = (key_of(name).public for name in ("alice", "bob", "carol", "dave", "mallory"))
ORIGIN = key_of("origin")


def announcement_of(batch: Batch) -> Announcement:
    return Announcement(batch.batch_id, batch.origin, batch.epoch, batch.counter)


class Bench:
    """One core, its timers, and a node that does what the test tells it to."""

    def __init__(self, config: BroadcastConfig | None = None, name: str = "me") -> None:
        self.me = key_of(name)
        self.core = BroadcastCore(self.me.public, NETWORK, config or BroadcastConfig())
        self.timers = TimerQueue()
        self.now = 100.0

    def tell(self, event: object) -> list[object]:
        """Hand `event` in now; the effects without the timers, which are set."""
        effects = self.core.handle(event, self.now)
        self.core.check_invariants()
        for effect in effects:
            if isinstance(effect, Schedule):
                assert self.now <= effect.at < math.inf
                self.timers.set(effect.timer, effect.at)
        return [effect for effect in effects if not isinstance(effect, Schedule)]

    def tell_all(self, *events: object) -> None:
        for event in events:
            self.tell(event)

    def gossip(self, peer: bytes, batch: Batch) -> list[object]:
        return self.tell(Received(peer, Gossip(batch.raw)))

    def announce(self, peer: bytes, *batches: Batch) -> list[object]:
        return self.tell(Received(peer, IHave([announcement_of(batch) for batch in batches])))

    def deliver(self, peer: bytes, batch: Batch) -> list[object]:
        """`peer` pushes `batch`, and the node accepts it."""
        assert self.gossip(peer, batch) == [Deliver(peer, batch)]
        return self.tell(Accepted(batch))

    def wait(self, seconds: float) -> list[object]:
        """Let time pass; the effects of the timers that were due."""
        end, effects = self.now + seconds, []
        while self.timers.next_deadline() <= end:
            self.now = max(self.now, self.timers.next_deadline())
            for timer in self.timers.pop_due(self.now):
                effects += self.tell(Expired(timer))
        self.now = end
        return effects


@dataclass
class Network:
    """Cores on a fixed random overlay, with fixed latencies, in virtual time. Nobody draws a lost link anew."""

    size: int
    seed: int = 1
    degree: int = 8
    loss: float = 0.0
    now: float = 0.0
    trace: list[tuple[float, int, object]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    got: dict[bytes, dict[int, float]] = field(default_factory=dict)  # batch id → node → when
    gaps: list[tuple[int, Gap]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.keys = [key_of(f"node {at}") for at in range(self.size)]
        self.index = {key.public: at for at, key in enumerate(self.keys)}
        self.cores = [BroadcastCore(key.public, NETWORK, BroadcastConfig()) for key in self.keys]
        self.timers = [TimerQueue() for _ in self.keys]
        self.dead: dict[int, None] = {}
        self.counters = [0] * self.size
        self._order = itertools.count()
        self._queue: list[tuple[float, int, int, object]] = []
        self.links = self._draw_links()
        for a, b in self.links:
            self.tell(a, NeighborUp(self.keys[b].public))
            self.tell(b, NeighborUp(self.keys[a].public))
        for node, key in itertools.product(range(self.size), self.keys):
            self.tell(node, OriginHeld(key.public))

    def _draw_links(self) -> dict[tuple[int, int], float]:
        """Rings through random orders, so that the graph is connected and nearly regular."""
        links = {}
        for _ in range(self.degree // 2):
            ring = self.rng.sample(range(self.size), self.size)
            for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
                links[min(a, b), max(a, b)] = self.rng.uniform(0.010, 0.100)
        return links

    def tell(self, node: int, event: object) -> None:
        for effect in self.cores[node].handle(event, self.now):
            self.trace.append((self.now, node, effect))
            match effect:
                case Schedule(at, timer):
                    self.timers[node].set(timer, at)
                case Send(peer, message):
                    self._send(node, self.index[peer], message)
                case Deliver(_, batch):
                    self._judge(node, batch)
                case Gap():
                    self.gaps.append((node, effect))
                case Misbehaved():
                    raise AssertionError(f"an honest node was accused: {effect}")

    def _judge(self, node: int, batch: Batch) -> None:
        assert node not in self.got[batch.batch_id], "a batch was delivered twice"
        self.got[batch.batch_id][node] = self.now
        self.tell(node, Accepted(batch) if verify(batch.check) else Refused(batch.batch_id))

    def _send(self, node: int, to: int, message: object) -> None:
        self.sent[type(message).__name__] += 1
        if self.rng.random() >= self.loss:
            at = self.now + self.links[min(node, to), max(node, to)]
            self._at(at, to, Received(self.keys[node].public, message))

    def _at(self, at: float, node: int, event: object) -> None:
        heapq.heappush(self._queue, (at, next(self._order), node, event))

    def publish(self, node: int) -> Batch:
        self.counters[node] += 1
        batch = batch_by(self.keys[node], self.counters[node])
        self.got[batch.batch_id] = {node: self.now}
        self.tell(node, Publish(batch))
        return batch

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (at := self._next()) <= end:
            self.now = max(at, self.now)
            while self._queue and self._queue[0][0] <= self.now:
                _, _, node, event = heapq.heappop(self._queue)
                if node not in self.dead:
                    self.tell(node, event)
            for node, timers in enumerate(self.timers):
                for timer in timers.pop_due(self.now):
                    if node not in self.dead:
                        self.tell(node, Expired(timer))
        self.now = end

    def _next(self) -> float:
        timers = min(timers.next_deadline() for timers in self.timers)
        return min(timers, self._queue[0][0]) if self._queue else timers

    def kill(self, nodes: list[int], noticed_after: float) -> None:
        self.dead.update(dict.fromkeys(nodes))
        for a, b in self.links:
            for dead, alive in ((a, b), (b, a)):
                if dead in self.dead and alive not in self.dead:
                    self._at(self.now + noticed_after, alive, NeighborDown(self.keys[dead].public))

    def burst(self, origins: list[int], rounds: int, spacing: float = 0.25) -> list[Batch]:
        """All of `origins` publish concurrently, `rounds` times; then 5 s of quiet."""
        batches = []
        for _ in range(rounds):
            for node in origins:
                batches.append(self.publish(node))
                self.run(spacing / len(origins))
        self.run(5.0)
        return batches

    def missed(self, batches: list[Batch]) -> list[tuple[int, Batch]]:
        alive = [node for node in range(self.size) if node not in self.dead]
        return [(node, batch) for batch in batches for node in alive if node not in self.got[batch.batch_id]]

    def check(self) -> None:
        for core in self.cores:
            core.check_invariants()


CONTROL = (Graft.__name__, Prune.__name__)
