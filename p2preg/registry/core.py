"""The registry core: sessions, registration, discovery and subscriptions behind one door, `handle`.

It reads the held cells and never changes them: what it writes leaves as `Author` and comes back as `Changed`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from p2preg import __version__
from p2preg.base.effects import Schedule
from p2preg.base.errors import Refused
from p2preg.base.events import Expired
from p2preg.cells.held import HeldCells
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import Verifier, verify
from p2preg.qos.core import QosCore
from p2preg.registry import events, params, results
from p2preg.registry.attachment import Attachment
from p2preg.registry.directory import Directory
from p2preg.registry.discovery import Discovery
from p2preg.registry.effects import Fail, PublishPage, Reply, StartLookup
from p2preg.registry.greeting import Greeting
from p2preg.registry.guests import Guests
from p2preg.registry.homes import Homes
from p2preg.registry.load import LOAD_PAGE, PAGE_LIFE_SECONDS, LoadReport
from p2preg.registry.loads import Loads
from p2preg.registry.methods import METHODS
from p2preg.registry.registration import Registration, Written
from p2preg.registry.requests import check_access, read_params
from p2preg.registry.sessions import Gate, Login, Session
from p2preg.registry.surroundings import RegistrySettings, Surroundings
from p2preg.registry.watching import Watching

if TYPE_CHECKING:
    from random import Random

QOS_PAGE = 2
TICK_SECONDS = 1.0
STALL_SECONDS = 1.0  # a tick that comes this late says that our own loop stood still
LEFTOVERS_AFTER_SECONDS = 60.0
WELCOME_SECONDS = 10.0  # between two publications of all pages for newcomers, however many they are
SETTLE_SECONDS = 2.0  # for a newcomer to have the cells that the pages are about

Handler = Callable[[Session, int, Any], None]


class RegistryCore:
    """See the module. `now`: monotonic seconds; `now_ms`: Unix milliseconds."""

    def __init__(
        self,
        key: IdentityKey,
        network: NetworkFile,
        held: HeldCells,
        settings: RegistrySettings,
        surroundings: Surroundings,
        rng: Random,
        epoch: int,
        now: float,
        verify: Verifier = verify,
    ) -> None:
        self._key = key
        self._network = network.network
        self._surroundings = surroundings
        self._epoch = epoch
        self._started = now
        self._now, self._now_ms = now, 0  # of the event under way
        self._tick_due = now + TICK_SECONDS
        self._sessions: dict[int, Session] = {}
        self._welcome_at, self._welcomed_at = math.inf, now - WELCOME_SECONDS  # see `_welcome`
        self._stopping = False
        self._effects: list[Any] = []
        self.homes = Homes(key.public, epoch, now)
        self.qos = QosCore(key.public, rng)
        self.directory = Directory(held, self.homes, self.qos.view)
        self.greeting = Greeting(key, self._network, epoch, settings.rpc_url, surroundings.failover)
        self.gate = Gate(key.public, self._network, settings.authorities, verify)
        self.guests = Guests(key, network, held, epoch)
        self.registration = Registration(self.guests, held, self.gate, network, key.public, epoch)
        self.attachment = Attachment(self.registration, surroundings.failover, self._emit, now)
        self.loads = Loads(key.public, epoch, self.guests, self.directory, self._emit, self._refresh)
        self.discovery = Discovery(self.directory, self.homes, self._freshness, rng)
        self.watching = Watching(self.directory, self._freshness, surroundings.synced)
        self._handlers = self._table()

    def _emit(self, effect: Any) -> None:
        self._effects.append(effect)

    # --- the door -------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Any]:
        """The first timers. Call once, when the held cells are loaded."""
        return [
            Schedule(self._tick_due, ("registry", "tick")),
            Schedule(now + LEFTOVERS_AFTER_SECONDS, ("registry", "leftovers")),
        ]

    def handle(self, event: object, now: float, now_ms: int) -> list[Any]:
        """React to one event; the effects in the order in which they are to be carried out."""
        self._now, self._now_ms, self._effects = now, now_ms, []
        match event:
            case events.Call():
                self._call(event)
            case events.Changed(subject):
                self._changed(subject)
            case events.PageHeard():
                self._page(event)
            case events.BatchHeard():
                self._batch(event)
            case events.RegistryKnown(registry, epoch):
                if self.homes.add(registry, epoch, now):
                    welcome_at = max(now + SETTLE_SECONDS, self._welcomed_at + WELCOME_SECONDS)
                    self._welcome_at = min(self._welcome_at, welcome_at)
                    self._refresh_homed(registry)
            case events.RegistryForgotten(registry):
                self.homes.remove(registry)
                self._refresh_homed(registry)
            case events.Authored(token):
                answer = self.attachment.authored(token)
                if answer is not None:
                    self._answer(*answer)
                    self.attachment.answered(*answer)
            case events.SessionOpened(number, address, group, nonce):
                self._sessions[number] = Session(number, address, group, nonce)
                self.watching.open(number)
            case events.SessionClosed(number):
                self._closed(number)
            case events.SessionSilent(number):
                if number in self._sessions:
                    self.attachment.silent(self._sessions[number], now, now_ms)
            case events.SessionHeard(number):
                if number in self._sessions:
                    self.attachment.heard_again(self._sessions[number], now_ms)
            case events.SessionWritable(number):
                self._effects += self.watching.writable(number, now)
            case events.LookedUp(session, call, result):
                self._answer(session, call, result)
            case events.Stopping():
                self._stopping = True  # from here on a socket that closes is our doing, not its node's
                self.attachment.notice_all("stopping")
            case Expired(("registry", *rest)):
                self._expired(rest)
            case _:
                raise AssertionError(f"no rule for {event!r}")
        return self._effects

    def _expired(self, timer: list[Any]) -> None:
        match timer:
            case ["tick"]:
                self._tick()
            case ["flush", session]:
                self._effects += self.watching.flush(session, self._now)
            case ["gone", node_id]:
                self.attachment.grace_is_over(node_id, self._now_ms)
            case ["leftovers"]:
                self.attachment.end_leftovers(self._now_ms)

    def _closed(self, number: int) -> None:
        session = self._sessions.pop(number, None)
        self.watching.close(number)
        if session is not None and not self._stopping:
            self.attachment.closed(session, self._now, self._now_ms)

    # --- calls ------------------------------------------------------------------------------------------------

    def _call(self, event: events.Call) -> None:
        session = self._sessions.get(event.session)
        method = METHODS.get(event.method)
        if session is None or method is None:
            return  # the session ended meanwhile; unknown methods are answered at the websocket's side
        try:
            check_access(session, method)
            request = read_params(method, event.params)
            if self._stopping and method.access == "node":
                raise Refused(-32006, "registry.stopping", "this registry is stopping: move to another one")
            self._handlers[method.name](session, event.call, request)
        except Refused as error:
            self._emit(Fail(event.session, event.call, error))

    def _table(self) -> dict[str, Handler]:
        """Method name → what carries it out. Reads answer at once; writes answer when they are on disk."""
        discovery, registration = self.discovery, self.registration
        return {
            "rpc.ping": self._read(lambda request, now, now_ms: results.Time(time_ms=now_ms)),
            "session.hello": self._hello,
            "session.authenticate": self._authenticate,
            "node.register": self._write(registration.register),
            "node.renew": self._renew,
            "node.load": self._load,
            "node.drain": self._write(registration.drain),
            "node.resume": self._write(registration.resume),
            "node.leave": self._write(registration.leave),
            "node.explain": self._read(discovery.explain),
            "nodes.get": self._read(discovery.get),
            "nodes.list": self._read(discovery.page),
            "nodes.select": self._read(discovery.select),
            "nodes.facets": self._read(discovery.facets),
            "nodes.subscribe": self._subscribe,
            "nodes.unsubscribe": self._unsubscribe,
            "qos.report": self._qos_report,
            "qos.get": self._read(self._qos_get),
            "qos.explain": self._read(self._qos_explain),
            "registry.info": self._read(self._info),
            "registry.peers": self._read(
                lambda request, now, now_ms: results.Peers(peers=self._surroundings.peers(now))
            ),
            "registry.lookup": self._lookup,
        }

    def _read(self, answer: Callable[[Any, float, int], Any]) -> Handler:
        def carry_out(session: Session, call: int, request: Any) -> None:
            self._answer(session.number, call, answer(request, self._now, self._now_ms))

        return carry_out

    def _write(self, change: Callable[[Session, Any, int], Written]) -> Handler:
        def carry_out(session: Session, call: int, request: Any) -> None:
            self._written(session, call, change(session, request, self._now_ms))

        return carry_out

    def _written(self, session: Session, call: int, written: Written) -> None:
        if written.displaced_session is not None:
            self._displace(written.displaced_session, written.cells[0].subject)
        self.attachment.author(written.cells, (session.number, call, written.result))

    def _answer(self, session: int, call: int, result: Any) -> None:
        if session in self._sessions:
            self._emit(Reply(session, call, result))

    def _hello(self, session: Session, call: int, request: params.Hello) -> None:
        self._answer(session.number, call, self.greeting.greet(session, request, self._now_ms))

    def _authenticate(self, session: Session, call: int, request: params.Authenticate) -> None:
        key = bytes.fromhex(request.public_key)
        login = Login(request.role, key, request.authority, request.seq, bytes.fromhex(request.signature))
        greatest = self.registration.greatest_proof_seq(key) if request.role == "node" else 0
        self.gate.admit(session, login, greatest, self._now_ms)
        self._answer(session.number, call, results.ClientId(client_id=request.public_key))

    def _renew(self, session: Session, call: int, request: params.Renew) -> None:
        self._written(session, call, self.registration.renew(session, request, self._now_ms))
        if request.load is not None:
            guest = self.registration.guest_of(session, request.node_id)
            self.loads.take(guest, request.load, self._now, self._now_ms)

    def _load(self, session: Session, call: int, request: params.Load) -> None:
        guest = self.registration.guest_of(session, request.node_id)
        report = LoadReport(**{name: getattr(request, name) for name in LoadReport.__struct_fields__})
        self.loads.take(guest, report, self._now, self._now_ms)
        self._answer(session.number, call, results.Empty())

    def _subscribe(self, session: Session, call: int, request: params.Subscribe) -> None:
        self._effects += self.watching.subscribe(session.number, call, request, self._now)

    def _unsubscribe(self, session: Session, call: int, request: params.Unsubscribe) -> None:
        self.watching.unsubscribe(session.number, request.subscription)
        self._answer(session.number, call, True)

    def _qos_report(self, session: Session, call: int, request: params.QosReport) -> None:
        subject = bytes.fromhex(request.node_id)
        self._check_described(subject)
        reporter = next(iter(session.clients), None) or next(iter(session.proofs))
        answer = self.qos.report(
            reporter, session.group, subject, request.start_ms, request.end_ms, request.samples, self._now, self._now_ms
        )
        self._answer(session.number, call, answer)
        self._refresh(subject)

    def _qos_get(self, request: params.QosGet, now: float, now_ms: int) -> dict[str, Any]:
        subject = bytes.fromhex(request.node_id)
        self._check_described(subject)
        return self.qos.get(subject, request.window_s, now, now_ms)

    def _qos_explain(self, request: params.QosExplain, now: float, now_ms: int) -> dict[str, Any]:
        subject = bytes.fromhex(request.node_id)
        self._check_described(subject)
        return self.qos.explain(subject, now, now_ms)

    def _check_described(self, subject: bytes) -> None:
        if self.directory.get(subject) is None:
            raise Refused(-32002, "node.unknown", f"no advert names {subject.hex()}")

    def _lookup(self, session: Session, call: int, request: params.Lookup) -> None:
        self._emit(StartLookup(session.number, call, bytes.fromhex(request.target)))

    def _info(self, request: params.Nothing, now: float, now_ms: int) -> results.Info:
        surroundings = self._surroundings
        return results.Info(
            registry_id=self._key.public.hex(),
            epoch=self._epoch,
            version=__version__,
            network=self._network,
            time_ms=now_ms,
            uptime_s=round(now - self._started, 3),
            nodes=self.discovery.counts(),
            cells=surroundings.cell_count(),
            peers=surroundings.peer_counts(),
            synced=surroundings.synced(now),
            store=results.StoreSize(bytes=surroundings.store_bytes()),
            statistics={
                **surroundings.statistics(),
                "sessions": len(self._sessions),
                "guests": len(self.guests),
                "subscriptions": len(self.watching),
            },
        )

    def _freshness(self, now: float) -> results.Freshness:
        known, fresh, oldest = self.homes.freshness(now)
        return results.Freshness(
            registries_known=known,
            registries_fresh=fresh,
            oldest_heartbeat_age_s=round(oldest, 3),
            synced=self._surroundings.synced(now),
            preserving=self.homes.preserving,
        )

    # --- what others say ----------------------------------------------------------------------------------------

    def _changed(self, subject: bytes) -> None:
        self.registration.note_leases(subject)
        guest = self.guests.get(subject)
        if guest is not None and self.registration.outranked(guest):
            self.guests.forget(subject)
            if guest.session is not None:
                self._displace(guest.session, subject)
            guest = None
        self._refresh(subject)
        if guest is not None:
            self.loads.lease_is_held(guest, self._now, self._now_ms)
        self.attachment.changed(subject, self._now_ms)

    def _displace(self, number: int, node_id: bytes) -> None:
        session = self._sessions.get(number)
        if session is not None:
            session.displaced[node_id] = None
            self.attachment.notice(number, node_id, "displaced")

    def _batch(self, batch: events.BatchHeard) -> None:
        registry, now = batch.registry, self._now
        before = self.homes.epoch(registry), self.homes.counts_as_heard(registry)
        self.homes.batch(
            registry, batch.epoch, batch.uptime_ms, batch.interval_ms, batch.issued_ms, now, self._now_ms
        )
        if before != (self.homes.epoch(registry), self.homes.counts_as_heard(registry)):
            self._refresh_homed(registry)

    def _page(self, page: events.PageHeard) -> None:
        if page.kind == LOAD_PAGE:
            self.loads.heard(page, self._now)
        elif page.kind == QOS_PAGE:
            order = (page.epoch, page.counter)
            if self.qos.merge_page(page.registry, page.subject, page.body, order, self._now):
                self._refresh(page.subject)

    def _refresh(self, node_id: bytes) -> None:
        change = self.directory.refresh(node_id, self._now)
        if change is not None:
            self._effects += self.watching.on_change(change, self._now)

    def _refresh_homed(self, registry: bytes) -> None:
        for node_id in self.directory.homed_at(registry):
            self._refresh(node_id)

    def _welcome(self) -> None:
        """A registry is new, or has started again: nobody else brings it the pages that it missed."""
        self._welcome_at, self._welcomed_at = math.inf, self._now
        self.loads.publish_again(self._now, self._now_ms)
        self.qos.publish_again(self._now)

    # --- time -------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now, now_ms = self._now, self._now_ms
        late = now - self._tick_due
        if late > STALL_SECONDS:
            self.homes.stalled(late, now)
        self._tick_due = now + TICK_SECONDS
        self._emit(Schedule(self._tick_due, ("registry", "tick")))
        for registry in self.homes.tick(now):
            self._refresh_homed(registry)
        for node_id in (*self.directory.ended_loads(now - PAGE_LIFE_SECONDS), *self.qos.expire(now, now_ms)):
            self._refresh(node_id)
        for subject, body in self.qos.pages_due(now, now_ms):
            self._emit(PublishPage(QOS_PAGE, subject, body))
        if now >= self._welcome_at:
            self._welcome()
        self.loads.refresh_due(now, now_ms)
        self.attachment.tick(self.homes.isolated(now), now, now_ms)
        self._effects += self.watching.tick(now)
