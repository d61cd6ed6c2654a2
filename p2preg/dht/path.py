"""One of the disjoint paths of a lookup: the shortlist of whom it has heard, and whom of those it would ask next.

After S/Kademlia (Baumgart and Mies 2007, section 4.4). A path knows only what its own peers told it, so that a liar can
mislead the path that asks it and no other."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from p2preg.dht.contact import Contact


class State(Enum):
    """Of one candidate: heard of; asked; asked and overdue, though a late answer still counts; and the two ends."""

    HEARD = 1
    WAITING = 2
    UNRESPONSIVE = 3
    ANSWERED = 4
    FAILED = 5


SILENT = (State.UNRESPONSIVE, State.FAILED)


@dataclass(slots=True)
class Candidate:
    """`hops`: how many peers were asked, one leading to the next, before this one was heard of."""

    contact: Contact
    distance: int
    hops: int
    state: State = State.HEARD
    deadline: float = math.inf


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one path. `width`: how many of its nearest it asks and waits for; `alpha`: of those at a time, while it makes
    progress. `requests` and `candidates`: what it may use up, for it may be a liar that leads it."""

    width: int
    alpha: int
    requests: int
    candidates: int


class Path:
    """`taken`: the public keys that any path of the lookup has asked, shared by all of them; this one adds its own."""

    def __init__(self, bounds: Bounds, taken: dict[bytes, Path]) -> None:
        self._bounds = bounds
        self._taken = taken
        self._parallelism = bounds.alpha
        self._by_distance: list[tuple[int, bytes]] = []
        self._candidates: dict[bytes, Candidate] = {}
        self._front: tuple[Candidate | None, int] | None = None  # None: to be looked through again
        self._taken_then = 0
        self.asked = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Distance and public key of each candidate, nearest first."""
        return iter(self._by_distance)

    def __contains__(self, peer: object) -> bool:
        return peer in self._candidates

    def __getitem__(self, peer: bytes) -> Candidate:
        return self._candidates[peer]

    @property
    def is_spent(self) -> bool:
        return self.asked >= self._bounds.requests

    def front(self) -> tuple[Candidate | None, int]:
        """Of the nearest that are this path's to ask, as many as it is wide and those aside that did not answer: the
        first that nobody has asked (None when the requests are used up), and how many are waited for."""
        if self._front is None or self._taken_then != len(self._taken):
            self._front, self._taken_then = self._look_through(), len(self._taken)
        return self._front

    def _look_through(self) -> tuple[Candidate | None, int]:
        unasked, waiting, left = None, 0, self._bounds.width
        for _, key in self._by_distance:
            candidate = self._candidates[key]
            state = candidate.state
            if state is State.HEARD:
                if key in self._taken:
                    continue
                unasked = unasked or candidate
            elif state is State.WAITING:
                waiting += 1
            elif state is not State.ANSWERED:
                continue
            left -= 1
            if left == 0:
                break
        return None if self.is_spent else unasked, waiting

    def has_room(self, waiting: int) -> bool:
        return waiting < self._parallelism

    def ask(self, peer: bytes, deadline: float) -> Contact:
        """The candidate is asked from now on, by this path alone."""
        candidate = self._candidates[peer]
        candidate.state, candidate.deadline = State.WAITING, deadline
        self._taken[peer] = self
        self._front = None
        self.asked += 1
        return candidate.contact

    def hear(self, contacts: Iterable[tuple[Contact, int]], hops: int = 0) -> None:
        """Of these for the first time, each with its distance."""
        for contact, distance in contacts:
            key = contact.public_key
            self._candidates[key] = Candidate(contact, distance, hops)
            insort(self._by_distance, (distance, key))
            if len(self._candidates) > self._bounds.candidates:
                self._drop_farthest()
        self._front = None

    def on_answer(self, peer: bytes, named: Iterable[tuple[Contact, int]]) -> None:
        """The asked `peer` named these, of whom this path has not heard."""
        candidate = self._candidates[peer]
        candidate.state = State.ANSWERED
        nearest = self._by_distance[0]
        self.hear(named, candidate.hops + 1)
        # The paper widens when a round brings nothing nearer; without rounds each answer decides for itself.
        self._parallelism = self._bounds.alpha if self._by_distance[0] < nearest else self._bounds.width

    def on_silence(self, peer: bytes, state: State) -> None:
        """The asked `peer` failed, or is overdue. Where one is dead there are more, so widen."""
        self._candidates[peer].state = state
        self._front = None
        self._parallelism = self._bounds.width

    def _drop_farthest(self) -> None:
        """Forget the farthest candidate that was not asked; those asked are at most half of the bound."""
        for at in range(len(self._by_distance) - 1, -1, -1):
            key = self._by_distance[at][1]
            if self._candidates[key].state is State.HEARD:
                del self._by_distance[at], self._candidates[key]
                return

    def check_invariants(self) -> None:
        assert self.asked <= self._bounds.requests
        assert len(self._by_distance) == len(self._candidates) <= self._bounds.candidates
        mine = [key for key, candidate in self._candidates.items() if candidate.state is not State.HEARD]
        assert len(mine) == self.asked, "who was asked is kept"
        assert all(self._taken[key] is self for key in mine), "nobody is asked by two paths"
