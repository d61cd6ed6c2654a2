"""A network of DhtCores in virtual time: links, dialling, latency, crashes and liars, and nothing else.

A link loses nothing and delays by its latency only. What a `NodeCore` adds to its DhtCore, the links of the overlay
above all, is not here: these registries know nobody but through Kademlia."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from p2preg.base.effects import Connect, Disconnect, Schedule, Send
from p2preg.base.events import ConnectFailed, Expired, PeerDown, PeerUp, Received
from p2preg.base.ids import short
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.core import DhtCore
from p2preg.dht.effects import Effect, LookupDone
from p2preg.dht.events import Bootstrap, ContactSeen, StartLookup
from p2preg.dht.lookup import LookupResult
from p2preg.sim.clock import Agenda
from p2preg.sim.trace import Trace
from p2preg.wire.messages import FindNode, Nodes

LATENCY = (0.01, 0.1)  # seconds one way, fixed for a pair at first use
DIAL_LATENCIES = 3  # one way, until TCP, TLS and Hello have passed
HANG = 20.0  # seconds that a driver tries to dial a host that is silent
JOIN_SECONDS = 0.2  # between two registries that join

Liar = Callable[[bytes, FindNode], Nodes | None]  # who asks, and what; None: it hangs


@dataclass(frozen=True, slots=True)
class Question:
    """A lookup that somebody begins; `now`: seconds."""

    at: bytes
    target: bytes
    now: float


@dataclass(frozen=True, slots=True)
class Finding:
    """And how it ended."""

    question: Question
    ended: float
    result: LookupResult

    @property
    def seconds(self) -> float:
        return self.ended - self.question.now


class DhtNetwork:
    """`people`: everyone that has a core, in the order in which they join. `liars`: what a peer answers in place of its
    core; in all else it goes on like anybody. `apart`: the configuration of those whose is not `config`. `check_each`:
    every core is checked after each of its events."""

    def __init__(
        self,
        people: Iterable[Contact],
        seed: int,
        config: DhtConfig | None = None,
        apart: Mapping[bytes, DhtConfig] | None = None,
        *,
        check_each: bool = False,
    ) -> None:
        self.rng = Random(f"{seed} dht")
        self.agenda = Agenda()
        self.trace = Trace()
        self.config = config or DhtConfig()
        self.people = {each.public_key: each for each in people}
        self.cores = {
            key: DhtCore(key, Random(f"{seed} dht core {at}"), (apart or {}).get(key, self.config), self.people.get)
            for at, key in enumerate(self.people)
        }
        self.joined: dict[bytes, None] = {}
        self.links: dict[tuple[bytes, bytes], None] = {}  # (one, other), both ways
        self.dead: dict[bytes, bool] = {}  # whether it crashed without a word
        self.liars: dict[bytes, Liar] = {}
        self.findings: list[Finding] = []
        self.sent = dict.fromkeys(self.people, 0)
        self._latency: dict[tuple[bytes, bytes], float] = {}
        self._latencies = Random(f"{seed} dht latency")
        self._deadlines: dict[tuple[bytes, object], float] = {}
        self._check_each = check_each

    @property
    def now(self) -> float:
        return self.agenda.now

    def delay(self, one: bytes, other: bytes) -> float:
        """Seconds between two, one way."""
        pair = (one, other) if one < other else (other, one)
        if pair not in self._latency:
            self._latency[pair] = self._latencies.uniform(*LATENCY)
        return self._latency[pair]

    def run(self, seconds: float) -> None:
        self.agenda.run(self.now + seconds)

    def check(self) -> None:
        for core in self.cores.values():
            core.check_invariants()

    # --- links ----------------------------------------------------------------------------------------------

    def link(self, one: bytes, other: bytes) -> None:
        """Both ends learn of the link and of each other's cell."""
        for at, peer, outbound in ((one, other, True), (other, one, False)):
            if (at, peer) not in self.links:
                self.links[at, peer] = None
                self.apply(at, PeerUp(peer, outbound))
                self.apply(at, ContactSeen(self.people[peer]))

    def unlink(self, one: bytes, other: bytes) -> None:
        for at, peer in ((one, other), (other, one)):
            if (at, peer) in self.links:
                del self.links[at, peer]
                self.apply(at, PeerDown(peer))

    def _dial(self, at: bytes, peer: bytes) -> None:
        if self.dead.get(peer):
            self.agenda.after(HANG, self.apply, at, ConnectFailed(peer))
        elif peer in self.dead or peer not in self.joined:
            self.agenda.after(2 * self.delay(at, peer), self.apply, at, ConnectFailed(peer))
        else:
            self.agenda.after(DIAL_LATENCIES * self.delay(at, peer), self._dialled, at, peer)

    def _dialled(self, at: bytes, peer: bytes) -> None:
        if at in self.dead:
            return
        if peer in self.dead:
            self.apply(at, ConnectFailed(peer))
        else:
            self.link(at, peer)

    # --- events and effects ---------------------------------------------------------------------------------

    def apply(self, at: bytes, event: object) -> None:
        """Give `event` to the core of `at`, and do what it asks for."""
        if at in self.dead:
            return
        self.trace.note(self.now, short(at), event)
        core = self.cores[at]
        for effect in core.handle(event, self.now):
            self._perform(at, effect)
        if self._check_each:
            core.check_invariants()

    def _perform(self, at: bytes, effect: Effect) -> None:
        match effect:
            case Schedule(when, timer):
                self._deadlines[at, timer] = when
                self.agenda.at(when, self._expire, at, timer, when)
            case Send(peer, message):
                self._send(at, peer, message)
            case Connect(peer):
                self._dial(at, peer)
            case Disconnect(peer):
                self.agenda.after(0.0, self.unlink, at, peer)
            case LookupDone(token, result):
                assert isinstance(token, Question)
                self.findings.append(Finding(token, self.now, result))

    def _expire(self, at: bytes, timer: object, when: float) -> None:
        if self._deadlines.get((at, timer)) == when:  # else it was moved
            del self._deadlines[at, timer]
            self.apply(at, Expired(timer))

    def _send(self, at: bytes, peer: bytes, message: object) -> None:
        self.sent[at] += 1
        if (at, peer) not in self.links:
            return
        if peer in self.liars and isinstance(message, FindNode):
            answer = self.liars[peer](at, message)
            if answer is not None:
                self.agenda.after(2 * self.delay(at, peer), self._deliver, peer, at, answer)
        else:
            self.agenda.after(self.delay(at, peer), self._deliver, at, peer, message)

    def _deliver(self, sender: bytes, to: bytes, message: object) -> None:
        if (to, sender) in self.links:
            self.apply(to, Received(sender, message))

    # --- what happens ---------------------------------------------------------------------------------------

    def join_all(self, acquaintances: int = 1, progress: Callable[[float], None] = lambda share: None) -> None:
        """One after the other: each dials a few that were there before, and bootstraps."""
        for key in self.cores:
            before = list(self.joined)
            self.joined[key] = None
            for other in self.rng.sample(before, min(len(before), acquaintances)):
                self.link(key, other)
            self.apply(key, Bootstrap())
            self.run(JOIN_SECONDS)
            progress(len(self.joined) / len(self.cores))

    def crash(self, keys: Iterable[bytes]) -> None:
        """Half of them silently: their links stay up, and dialling them hangs."""
        for count, key in enumerate(keys):
            self.dead[key] = bool(count % 2)
            for one, other in [pair for pair in self.links if pair[0] == key and not self.dead[key]]:
                self.unlink(one, other)

    def alive(self) -> list[bytes]:
        """Who runs, and tells the truth."""
        return [key for key in self.joined if key not in self.dead and key not in self.liars]

    def look_up(self, at: bytes, target: bytes) -> None:
        """A `Finding` follows."""
        self.apply(at, StartLookup(Question(at, target, self.now), target))
