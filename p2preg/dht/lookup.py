"""An iterative lookup (the Kademlia paper, section 2.3) as a state machine that its owner feeds.

There are no rounds: each answer, failure or deadline frees its own place at once, so a dead peer stalls nobody. It
sends nothing and measures nothing; the answers it is fed may come from liars, and bound the work all the same."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from p2preg.base.limits import LOOKUP_CANDIDATES_MAX, LOOKUP_REQUESTS_MAX
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.distance import distance


class State(Enum):
    """Of one candidate: heard of; asked; asked and overdue, though a late answer still counts; and the two ends."""

    HEARD = 1
    WAITING = 2
    UNRESPONSIVE = 3
    ANSWERED = 4
    FAILED = 5


@dataclass(slots=True)
class Candidate:
    """`hops`: how many peers were asked, one leading to the next, before this one was heard of."""

    contact: Contact
    distance: int
    hops: int
    state: State = State.HEARD
    deadline: float = math.inf


@dataclass(frozen=True, slots=True)
class LookupResult:
    """`closest`: the peers nearest to the target that answered, nearest first. `hops`: those that led to the nearest
    (0: it was known at the start). `asked`: requests tried. `found`: the target itself answered."""

    closest: tuple[Contact, ...] = ()
    hops: int = 0
    asked: int = 0
    found: bool = False


class Lookup:
    """Finds the k peers nearest to `target`. `patience`: how many seconds a peer gets to answer. Contacts, of seeds and
    answers alike, are those that the owner has verified and is willing to ask."""

    def __init__(
        self,
        target: bytes,
        own_public_key: bytes,
        seeds: Iterable[Contact],
        config: DhtConfig,
        patience: Callable[[bytes], float],
    ) -> None:
        self.target = target
        self._own_public_key = own_public_key
        self._config = config
        self._patience = patience
        self._candidates: dict[bytes, Candidate] = {}
        self._by_distance: list[tuple[int, bytes]] = []
        self._parallelism = config.alpha
        self._asked = 0
        for contact in seeds:
            self._hear(contact, hops=0)

    def next(self, now: float) -> list[Contact]:
        """Whom to ask now. Each is asked once, and has until its deadline to answer."""
        front = self._front()
        waiting = sum(candidate.state is State.WAITING for candidate in front)
        room = max(0, min(self._parallelism - waiting, LOOKUP_REQUESTS_MAX - self._asked))
        chosen = [candidate for candidate in front if candidate.state is State.HEARD][:room]
        for candidate in chosen:
            candidate.state = State.WAITING
            candidate.deadline = now + self._patience(candidate.contact.public_key)
        self._asked += len(chosen)
        return [candidate.contact for candidate in chosen]

    def on_answer(self, peer: bytes, contacts: Sequence[Contact]) -> None:
        """`peer` named `contacts`; in time or late makes no difference. From one that was not asked: ignored."""
        candidate = self._candidates.get(peer)
        if candidate is None or candidate.state not in (State.WAITING, State.UNRESPONSIVE):
            return
        candidate.state = State.ANSWERED
        nearest = self._by_distance[0]
        for contact in contacts[: self._config.k]:
            self._hear(contact, candidate.hops + 1)
        # The paper widens when a round brings nothing nearer; without rounds each answer decides for itself.
        self._parallelism = self._config.alpha if self._by_distance[0] < nearest else self._config.k

    def on_failure(self, peer: bytes) -> None:
        """`peer` cannot be asked, or its link went down: nothing more comes from it."""
        candidate = self._candidates.get(peer)
        if candidate is not None and candidate.state in (State.WAITING, State.UNRESPONSIVE):
            candidate.state = State.FAILED
            self._parallelism = self._config.k

    def expire(self, now: float) -> None:
        """Stop waiting for those whose deadline has passed. Where one is dead there are more, so widen."""
        for candidate in self._candidates.values():
            if candidate.state is State.WAITING and candidate.deadline <= now:
                candidate.state = State.UNRESPONSIVE
                self._parallelism = self._config.k

    @property
    def done(self) -> bool:
        """The k closest seen that may still be alive have all answered, or the requests are used up."""
        states = [candidate.state for candidate in self._front()]
        return State.WAITING not in states and (State.HEARD not in states or self._asked >= LOOKUP_REQUESTS_MAX)

    @property
    def result(self) -> LookupResult:
        """What is known by now."""
        ordered = [self._candidates[key] for _, key in self._by_distance]
        answered = [candidate for candidate in ordered if candidate.state is State.ANSWERED][: self._config.k]
        if not answered:
            return LookupResult(asked=self._asked)
        closest = tuple(candidate.contact for candidate in answered)
        return LookupResult(closest, answered[0].hops, self._asked, answered[0].distance == 0)

    def _front(self) -> list[Candidate]:
        """The k nearest candidates, those aside that did not answer. Only they are asked and waited for."""
        front: list[Candidate] = []
        for _, key in self._by_distance:
            candidate = self._candidates[key]
            if candidate.state not in (State.UNRESPONSIVE, State.FAILED):
                front.append(candidate)
                if len(front) == self._config.k:
                    break
        return front

    def _hear(self, contact: Contact, hops: int) -> None:
        key = contact.public_key
        if key == self._own_public_key or key in self._candidates:
            return
        candidate = Candidate(contact, distance(contact.routing_id, self.target), hops)
        self._candidates[key] = candidate
        insort(self._by_distance, (candidate.distance, key))
        if len(self._candidates) > LOOKUP_CANDIDATES_MAX:
            self._drop_farthest()

    def _drop_farthest(self) -> None:
        """Forget the farthest candidate that was not asked; those asked are at most half of the cap."""
        for at in range(len(self._by_distance) - 1, -1, -1):
            key = self._by_distance[at][1]
            if self._candidates[key].state is State.HEARD:
                del self._by_distance[at], self._candidates[key]
                return
