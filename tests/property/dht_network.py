"""A network of DhtCores in virtual time: links, dialling, latency and crashes, and nothing else."""

import hashlib
import heapq
import itertools
from random import Random

from p2preg.base.effects import Connect, Disconnect, Schedule, Send
from p2preg.base.events import ConnectFailed, Expired, PeerDown, PeerUp, Received
from p2preg.base.timers import TimerQueue
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.core import DhtCore
from p2preg.dht.effects import LookupDone
from p2preg.dht.events import Bootstrap, ContactSeen, StartLookup
from p2preg.wire.messages import Nodes

LATENCY = (0.01, 0.1)  # seconds one way, fixed per pair at first use
HANG = 20.0  # how long a driver tries to dial a host that is silent


def person(number):
    """The contact numbered so. Its cell is its key: enough for a network without signatures."""
    key = hashlib.sha256(b"%d" % number).digest()
    return Contact.of(key, f"10.{number >> 8}.{number & 255}.1:4010", key)


class Network:
    """`liars`: a function from (who asks, message) to a Nodes, in place of a peer's own answer; None: it hangs."""

    def __init__(self, size, seed=1, config=None):
        self.rng = Random(seed)
        self.people = {each.public_key: each for each in map(person, range(size))}
        self.config = config or DhtConfig()
        self.cores = {key: self._core(key) for key in self.people}
        self.timers = TimerQueue()
        self.links = {}  # (one, other) -> None, both ways
        self.latency = {}
        self.dead = {}
        self.liars = {}
        self.results = {}
        self.sent = dict.fromkeys(self.people, 0)
        self.other_effects = []
        self.now = 0.0
        self._queue, self._order = [], itertools.count()

    def _core(self, key):
        return DhtCore(key, Random(self.rng.random()), self.config, self.people.get)

    def delay(self, one, other):
        pair = (min(one, other), max(one, other))
        return self.latency.setdefault(pair, self.rng.uniform(*LATENCY))

    def post(self, delay, to, event):
        heapq.heappush(self._queue, (self.now + delay, next(self._order), to, event))

    def link(self, one, other):
        """Both ends learn of the link and of each other's cell."""
        for at, peer, outbound in ((one, other, True), (other, one, False)):
            if (at, peer) not in self.links:
                self.links[at, peer] = None
                self.apply(at, PeerUp(peer, outbound))
                self.apply(at, ContactSeen(self.people[peer]))

    def unlink(self, one, other):
        for at, peer in ((one, other), (other, one)):
            if self.links.pop((at, peer), 1) is None:
                self.apply(at, PeerDown(peer))

    def apply(self, at, event):
        if at in self.dead:
            return
        for effect in self.cores[at].handle(event, self.now):
            self.perform(at, effect)

    def perform(self, at, effect):
        match effect:
            case Schedule(when, timer):
                self.timers.set((at, timer), when)
            case Send(peer, message):
                self.sent[at] += 1
                if (at, peer) in self.links and peer in self.liars and not isinstance(message, Nodes):
                    answer = self.liars[peer](at, message)
                    if answer is not None:
                        self.post(2 * self.delay(at, peer), at, Received(peer, answer))
                elif (at, peer) in self.links:
                    self.post(self.delay(at, peer), peer, Received(at, message))
            case Connect(peer):
                self.post(*self._dial(at, peer))
            case Disconnect(peer):
                self.post(0.0, None, (at, peer, False))
            case LookupDone(token, result):
                self.results[at, token] = result
            case _:
                self.other_effects.append((at, effect))

    def _dial(self, at, peer):
        if peer in self.dead:
            return HANG if self.dead[peer] else self.delay(at, peer), at, ConnectFailed(peer)
        if peer not in self.cores:
            return 0.1, at, ConnectFailed(peer)
        return 3 * self.delay(at, peer), None, (at, peer, True)

    def run(self, seconds):
        end = self.now + seconds
        while True:
            due = self.timers.next_deadline()
            arrival = self._queue[0][0] if self._queue else end + 1
            if min(due, arrival) > end:
                break
            if arrival <= due:
                self.now, _, to, event = heapq.heappop(self._queue)
                self._arrive(to, event)
            else:
                self.now = due
                for at, timer in list(self.timers.pop_due(due)):
                    self.apply(at, Expired(timer))
        self.now = end
        for core in self.cores.values():
            core.check_invariants()

    def _arrive(self, to, event):
        if to is not None:
            if not isinstance(event, Received) or (to, event.peer) in self.links:
                self.apply(to, event)
            return
        one, other, up = event
        if not up:
            self.unlink(one, other)
        elif other in self.dead:
            self.apply(one, ConnectFailed(other))
        else:
            self.link(one, other)

    def join_all(self):
        """Each dials one that was there before, and bootstraps."""
        keys = list(self.people)
        for at, key in enumerate(keys):
            if at:
                self.link(key, keys[self.rng.randrange(at)])
            self.apply(key, Bootstrap())
            self.run(0.2)

    def crash(self, keys):
        """Half of them silently: their links stay up, and dialling them hangs."""
        for count, key in enumerate(keys):
            self.dead[key] = bool(count % 2)
            for one, other in [pair for pair in self.links if pair[0] == key]:
                if self.dead[key]:
                    continue
                self.unlink(one, other)

    def alive(self):
        return [key for key in self.people if key not in self.dead and key not in self.liars]

    def recall(self, lookups, seconds=60.0):
        """The share of the true k closest that random lookups by random peers find; each must end in time."""
        wanted = {}
        for number in range(lookups):
            at, target = self.rng.choice(self.alive()), self.rng.randbytes(32)
            token = (self.now, number)
            wanted[at, token] = target
            self.apply(at, StartLookup(token, target))
            self.run(seconds / lookups)
        self.run(seconds)
        shares = [self._share(at, target, self.results[at, token]) for (at, token), target in wanted.items()]
        return sum(shares) / len(shares)

    def _share(self, at, target, result):
        goal = int.from_bytes(target)
        others = [self.people[key] for key in self.alive() if key != at]
        others.sort(key=lambda each: int.from_bytes(each.routing_id) ^ goal)
        truth = others[: self.config.k]
        return len(set(truth) & set(result.closest)) / len(truth)
