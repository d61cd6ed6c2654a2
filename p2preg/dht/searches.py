"""The lookups of one registry: which run, which wait, and what each asks next.

Callers share `LOOKUPS_MAX` places; upkeep has one of its own, so neither can starve the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from p2preg.base.limits import DHT_BUCKETS_MAX, LOOKUPS_MAX, LOOKUPS_WAITING_MAX
from p2preg.dht.asker import Asker
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.effects import Effect
from p2preg.dht.events import StartLookup
from p2preg.dht.lookup import Lookup


class Purpose(Enum):
    """Why a lookup runs: a `StartLookup`, or one of the two kinds of upkeep."""

    CALLER = 1
    SELF = 2
    BUCKET = 3


@dataclass(frozen=True, slots=True)
class Search:
    """A running lookup; `token` is the caller's."""

    lookup: Lookup
    purpose: Purpose
    token: object


class Searches:
    """Running lookups by number, and those that wait for a place."""

    def __init__(self, own_public_key: bytes, config: DhtConfig, asker: Asker) -> None:
        self._own_public_key = own_public_key
        self._config = config
        self._asker = asker
        self._running: dict[int, Search] = {}
        self._waiting: deque[StartLookup] = deque()
        self._to_refresh: deque[bytes] = deque()
        self._started = 0

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_keeping_up(self) -> bool:
        """Whether upkeep has more to do."""
        return bool(self._to_refresh) or self._count(upkeep=True) > 0

    def _count(self, *, upkeep: bool) -> int:
        return sum((search.purpose is not Purpose.CALLER) == upkeep for search in self._running.values())

    def get(self, number: int | None) -> Lookup | None:
        """The running lookup that an ask was made for; None for a ping, and when it has ended."""
        search = self._running.get(number) if number is not None else None
        return search.lookup if search is not None else None

    def queue(self, event: StartLookup) -> bool:
        """Have the lookup made when there is a place; False when too many wait already."""
        if len(self._waiting) >= LOOKUPS_WAITING_MAX:
            return False
        self._waiting.append(event)
        return True

    def queue_refresh(self, targets: Iterable[bytes]) -> None:
        """Have these looked up, one after the other."""
        self._to_refresh.extend(targets)

    def next_waiting(self) -> tuple[Purpose, bytes, object] | None:
        """Purpose, target and token of a lookup for which there is a place now."""
        if self._waiting and self._count(upkeep=False) < LOOKUPS_MAX:
            event = self._waiting.popleft()
            return Purpose.CALLER, event.target, event.token
        if self._to_refresh and self._count(upkeep=True) == 0:
            return Purpose.BUCKET, self._to_refresh.popleft(), None
        return None

    def start(
        self, purpose: Purpose, target: bytes, token: object, starts: Sequence[Sequence[Contact]], radius: int
    ) -> None:
        lookup = Lookup(target, self._own_public_key, starts, self._config, self._asker.patience, radius)
        self._running[self._started] = Search(lookup, purpose, token)
        self._started += 1

    def advance(self, now: float) -> tuple[list[Effect], list[Search]]:
        """Ask whom the lookups want to ask; the effects, and the lookups that have ended."""
        effects: list[Effect] = []
        ended: list[Search] = []
        for number, search in list(self._running.items()):
            effects += self._ask_next(number, search.lookup, now)
            if search.lookup.done:
                ended.append(self._running.pop(number))
                effects += self._asker.on_lookup_end(number, now)
        return effects, ended

    def _ask_next(self, number: int, lookup: Lookup, now: float) -> list[Effect]:
        effects: list[Effect] = []
        while contacts := lookup.next(now):
            for contact in contacts:
                asked = self._asker.ask(contact.public_key, lookup.target, number, now)
                if not asked:
                    lookup.on_failure(contact.public_key)
                effects += asked
        return effects

    def check_invariants(self) -> None:
        assert self._count(upkeep=False) <= LOOKUPS_MAX
        assert self._count(upkeep=True) <= 1
        assert len(self._waiting) <= LOOKUPS_WAITING_MAX
        assert len(self._to_refresh) <= DHT_BUCKETS_MAX
        for number, search in self._running.items():
            search.lookup.check_invariants()
            assert not search.lookup.done, "what is done is reported"
            assert self._asker.is_waiting_for(number), "a running lookup waits for someone"
