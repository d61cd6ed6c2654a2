"""The DHT of one registry: keeps the routing table fresh, runs lookups, answers FindNode (the Kademlia paper, 2.3-2.4).

It knows peers by their public keys and links by PeerUp and PeerDown; dialling, signatures and the wire are others'.
It stores no values: registries are found here, cells are spread and repaired elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from p2preg.base.effects import Misbehaved, Schedule, Send
from p2preg.base.events import ConnectFailed, Expired, PeerDown, PeerUp, Received
from p2preg.base.limits import DHT_ANCHORS_MAX, DHT_FAILURES_MAX, NODES_BYTES_MAX
from p2preg.dht.asker import Ask, Asker
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.distance import distance, routing_id
from p2preg.dht.effects import Effect, Learned, LookupDone
from p2preg.dht.events import Bootstrap, ContactSeen, StartLookup
from p2preg.dht.failures import Failures
from p2preg.dht.lookup import LookupResult
from p2preg.dht.searches import Purpose, Search, Searches
from p2preg.dht.statistics import DhtStatistics
from p2preg.dht.table import RoutingTable
from p2preg.wire.messages import FindNode, Nodes

if TYPE_CHECKING:
    from random import Random

CELL_HEAD_BYTES = 3  # CBOR's length before a byte string of 256 bytes to 64 KiB
REFRESH = ("dht", "refresh")


class DhtCore:
    """`read_cell` parses and verifies a registry cell; None when it is not acceptable. `rng`: for ids and jitter."""

    def __init__(
        self,
        own_public_key: bytes,
        rng: Random,
        config: DhtConfig,
        read_cell: Callable[[bytes], Contact | None],
    ) -> None:
        self._own_public_key = own_public_key
        self._own_id = routing_id(own_public_key)
        self._rng = rng
        self._config = config
        self._read_cell = read_cell
        self._table = RoutingTable(self._own_id, config.k)
        self._asker = Asker(config)
        self._failures = Failures(config)
        self._searches = Searches(own_public_key, config, self._asker)
        self._anchors: tuple[Contact, ...] = ()
        self._bootstrapped = False
        self._heard_at = 0.0  # anybody, last
        self._answered = self._overdue = self._strays = self._evicted = self._refused = 0
        self._effects: list[Effect] = []

    # --- queries --------------------------------------------------------------------------------------------

    def closest(self, target: bytes, k: int) -> list[Contact]:
        """The `k` contacts of the table nearest to `target`, nearest first."""
        return self._table.closest(target, k)

    def contacts(self) -> list[Contact]:
        return self._table.contacts()

    def snapshot(self) -> list[bytes]:
        """The registry cells to keep for the next start; their contacts are then the anchors of `Bootstrap`."""
        return self._table.snapshot()

    def statistics(self) -> DhtStatistics:
        return DhtStatistics(
            contacts=len(self._table),
            buckets=len(self._table.buckets),
            failing=len(self._failures),
            links=self._asker.links,
            dialled=self._asker.dialled,
            requests=len(self._asker),
            running=self._searches.running,
            waiting=self._searches.waiting,
            asked=self._asker.issued,
            answered=self._answered,
            overdue=self._overdue,
            strays=self._strays,
            evicted=self._evicted,
            refused=self._refused,
        )

    def check_invariants(self) -> None:
        self._table.check_invariants()
        self._asker.check_invariants()
        self._searches.check_invariants()
        assert len(self._failures) <= DHT_FAILURES_MAX

    # --- events ---------------------------------------------------------------------------------------------

    def handle(self, event: object, now: float) -> list[Effect]:
        """What follows from `event`. Total for what a peer can send; an unknown event is our own bug."""
        match event:
            case Received(peer, message):
                self._on_received(peer, message, now)
            case Expired(timer):
                self._on_expired(timer, now)
            case PeerUp(peer):
                self._effects += self._asker.on_peer_up(peer, now)
                self._on_heard(peer, now)
            case PeerDown(peer):
                self._on_peer_gone(peer, now)
            case ConnectFailed(peer):
                if not self._asker.is_linked(peer):  # else it dialled us meanwhile
                    self._on_peer_gone(peer, now)
            case ContactSeen(contact):
                self._on_contact_seen(contact, now)
            case StartLookup():
                self._on_start_lookup(event)
            case Bootstrap(contacts):
                self._anchors = contacts[:DHT_ANCHORS_MAX]
                self._bootstrapped = True
                self._refresh(now)
            case _:
                raise AssertionError(f"no rule for {event!r}")
        self._settle(now)
        effects, self._effects = self._effects, []
        return effects

    def _on_received(self, peer: bytes, message: object, now: float) -> None:
        if not self._asker.is_linked(peer):
            return  # a stranger: keep nothing, say nothing
        self._on_heard(peer, now)
        match message:
            case FindNode(request, target):
                self._effects.append(Send(peer, Nodes(request, self._cells_near(target, peer))))
            case Nodes(request, cells):
                self._on_nodes(peer, request, cells, now)

    def _on_expired(self, timer: object, now: float) -> None:
        match timer:
            case ("dht", "request", int(request)):
                self._on_deadline(request, now)
            case ("dht", "ping", bytes(peer)):
                contact = self._table.get(peer)
                if contact is not None and peer in self._failures:
                    self._ping(contact, now)
            case ("dht", "link", bytes(peer)):
                self._effects += self._asker.give_up_link(peer)
            case ("dht", "refresh"):
                self._refresh(now)
            case _:
                raise AssertionError(f"no rule for the timer {timer!r}")

    # --- the table ------------------------------------------------------------------------------------------

    def _on_heard(self, peer: bytes, now: float) -> None:
        self._heard_at = now
        self._failures.clear(peer)
        self._table.touch(peer, now)

    def _on_contact_seen(self, contact: Contact, now: float) -> None:
        was_empty = len(self._table) == 0
        self._on_heard(contact.public_key, now)
        candidate = self._table.add_contact(contact, now)
        if candidate is not None:
            self._challenge(candidate, now)
        if was_empty and self._bootstrapped:
            self._refresh(now)

    def _challenge(self, candidate: Contact, now: float) -> None:
        """Someone waits for the candidate's place. It keeps it if it was heard lately, or answers now."""
        peer = candidate.public_key
        seen_at = self._table.seen_at(peer)
        heard_lately = seen_at is not None and now - seen_at < self._config.ping_after
        if not heard_lately and not self._failures.is_resting(peer, now) and not self._asker.is_asking(peer):
            self._ping(candidate, now)

    def _ping(self, contact: Contact, now: float) -> None:
        """Any request proves life; this one also brings neighbours. At the cap none is made: the next one will do."""
        self._effects += self._asker.ask(contact.public_key, self._own_id, None, now)

    def _on_failure(self, peer: bytes, now: float) -> None:
        """`peer` did not answer, or could not be reached. A contact is pinged again before it is evicted."""
        failure = self._failures.note(peer, now)
        if peer not in self._table:
            return
        # When nobody at all was heard since the first failure, the trouble is ours, and the table must survive it.
        if failure.count >= self._config.failures_max and self._heard_at > failure.since:
            self._table.remove(peer)
            self._evicted += 1
        else:
            self._effects.append(Schedule(failure.retry_at, ("dht", "ping", peer)))

    def _cells_near(self, target: bytes, asking: bytes) -> list[bytes]:
        """The answer to a FindNode: not the one who asks, nor anyone who did not answer us lately."""
        nearest = self._table.closest(target, self._config.k + 1, exclude=self._failures)
        cells: list[bytes] = []
        room = NODES_BYTES_MAX
        for contact in [each for each in nearest if each.public_key != asking][: self._config.k]:
            room -= len(contact.cell) + CELL_HEAD_BYTES
            if room < 0:
                break
            cells.append(contact.cell)
        return cells

    # --- upkeep ---------------------------------------------------------------------------------------------

    def _refresh(self, now: float) -> None:
        """Look ourselves up, then each stale bucket. One such round at a time: a slow one delays the next."""
        jitter = self._rng.uniform(-self._config.refresh_jitter, self._config.refresh_jitter)
        wait = self._config.refresh_interval * (1 + jitter) if len(self._table) else self._config.bootstrap_retry
        self._effects.append(Schedule(now + wait, REFRESH))
        if not self._searches.is_keeping_up:
            self._start(Purpose.SELF, self._own_id, None, now)

    def _plan_refresh(self, now: float) -> None:
        """One random id in each bucket that no lookup has ended in for a while."""
        # Younger than an interval by the jitter is stale as well, else every second early round would skip it.
        stale_after = self._config.refresh_interval * (1 - self._config.refresh_jitter)
        stale = self._table.buckets_to_refresh(now, stale_after)
        self._searches.queue_refresh(self._rng.randint(low, high).to_bytes(32) for low, high in stale)

    # --- lookups --------------------------------------------------------------------------------------------

    def _on_start_lookup(self, event: StartLookup) -> None:
        if not self._searches.queue(event):
            self._refused += 1
            self._effects.append(LookupDone(event.token, LookupResult()))

    def _start(self, purpose: Purpose, target: bytes, token: object, now: float) -> None:
        # Upkeep takes one path: with more the tables were no better under attack, at a fifth more requests.
        paths = self._config.paths if purpose is Purpose.CALLER else 1
        radius = 0 if paths == 1 else self._radius()
        self._searches.start(purpose, target, token, self._starts(target, paths, now), radius)

    def _radius(self) -> int:
        """How far the neighbourhood of any id extends, to judge by ours; 0: we don't know enough of them."""
        own = self._table.closest(self._own_id, self._config.k)
        return distance(own[-1].routing_id, self._own_id) if len(own) == self._config.k else 0

    def _starts(self, target: bytes, paths: int, now: float) -> list[list[Contact]]:
        """Whom each path of a lookup knows at first: the first path our nearest, as in the paper; each other some drawn
        from a wider circle, for who owns the neighbourhood of the target owns our nearest, too."""
        resting = self._failures.resting(now)
        circle = self._table.closest(target, self._config.circle, exclude=resting)
        nearest = circle[: self._config.k]
        if len(circle) < self._config.k:
            circle += [each for each in self._anchors if each.public_key not in resting and each not in circle]
            nearest = circle
        others = paths - 1
        drawn = self._rng.sample(circle, min(len(circle) * others // paths, others * self._config.k // paths))
        first = [each for each in nearest if each not in drawn]
        return [start for start in [first, *(drawn[at::others] for at in range(others))] if start]

    def _settle(self, now: float) -> None:
        """Let the lookups go on, those that end make room for those that wait, until none can move."""
        while True:
            effects, ended = self._searches.advance(now)
            self._effects += effects
            for search in ended:
                self._on_lookup_end(search, now)
            waiting = self._searches.next_waiting()
            if waiting is None:
                return
            self._start(*waiting, now)

    def _on_lookup_end(self, search: Search, now: float) -> None:
        result = search.lookup.result
        if result.closest:
            self._table.mark_looked_up(search.lookup.target, now)
        if search.purpose is Purpose.CALLER:
            self._effects.append(LookupDone(search.token, result))
        elif search.purpose is Purpose.SELF:
            self._plan_refresh(now)

    def _on_nodes(self, peer: bytes, request: int, cells: list[bytes], now: float) -> None:
        ask = self._asker.get(request)
        if ask is None and request < self._asker.issued:
            self._strays += 1  # asked once, and answered after nobody cared
        elif ask is None or ask.peer != peer or ask.sent_at is None:
            self._effects.append(Misbehaved(peer, f"it answers FindNode {request}, which it was not sent"))
        else:
            self._effects += self._asker.on_answer(request, now)
            self._answered += 1
            self._on_contacts(ask, cells[: self._config.k], now)

    def _on_contacts(self, ask: Ask, cells: list[bytes], now: float) -> None:
        """Only answers that were asked for come here, so nobody can make us verify at will."""
        read = [contact for cell in cells if (contact := self._read_cell(cell)) is not None]
        contacts = [contact for contact in read if not self._failures.is_resting(contact.public_key, now)]
        self._effects += [Learned(contact) for contact in contacts if self._is_news(contact)]
        lookup = self._searches.get(ask.lookup)
        if lookup is not None:
            lookup.on_answer(ask.peer, contacts)

    def _is_news(self, contact: Contact) -> bool:
        return contact.public_key != self._own_public_key and contact.public_key not in self._table

    def _on_deadline(self, request: int, now: float) -> None:
        ask, effects = self._asker.on_deadline(request, now)
        self._effects += effects
        if ask is None:
            return
        self._overdue += 1
        lookup = self._searches.get(ask.lookup)
        if lookup is not None:
            lookup.expire(now)
        self._on_failure(ask.peer, now)

    def _on_peer_gone(self, peer: bytes, now: float) -> None:
        """A link that ends with requests unanswered is a failure; one that ends idle is not."""
        lost = self._asker.on_peer_gone(peer)
        for ask in lost:
            lookup = self._searches.get(ask.lookup)
            if lookup is not None:
                lookup.on_failure(peer)
        if lost:
            self._on_failure(peer, now)
