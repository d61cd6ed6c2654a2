"""The registry core: sessions, registration, discovery and subscriptions behind one door, `handle`.

It reads the held cells and never changes them: what it writes leaves as `Author` and comes back as `Changed`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from p2preg import __version__
from p2preg.base.effects import Schedule
from p2preg.base.errors import P2pregError, Refused
from p2preg.base.events import Expired
from p2preg.cells.cell import Cell
from p2preg.cells.held import HeldCells
from p2preg.cells.lease import ATTACHED, LOST
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.presence import hello_message
from p2preg.qos.core import QosCore
from p2preg.registry import events, params, results
from p2preg.registry.directory import Change, Directory
from p2preg.registry.discovery import Discovery
from p2preg.registry.effects import Author, Fail, Notify, PublishPage, Reply, StartLookup
from p2preg.registry.guests import Guest, Guests
from p2preg.registry.homes import Homes
from p2preg.registry.limits import (
    BATCH_MAX,
    IN_FLIGHT_MAX,
    KEYS_PER_SESSION_MAX,
    MESSAGE_BYTES_MAX,
    QUEUE_EVENTS_MAX,
    SUBSCRIPTIONS_PER_SESSION_MAX,
)
from p2preg.registry.load import (
    LOAD_PAGE,
    PAGE_LIFE_SECONDS,
    PAGE_REFRESH_SECONDS,
    LoadPage,
    LoadReport,
    body_of_load,
    read_load_body,
)
from p2preg.registry.methods import METHODS, Method
from p2preg.registry.registration import Registration, Written
from p2preg.registry.sessions import Authorities, Gate, Login, Session
from p2preg.registry.watching import Watching

if TYPE_CHECKING:
    from random import Random

QOS_PAGE = 2
TICK_SECONDS = 1.0
STALL_SECONDS = 1.0  # a tick that comes this late says that our own loop stood still
GONE_AFTER_SECONDS = 15.0
LEFTOVERS_AFTER_SECONDS = 60.0
ADVERTS_SECONDS = 600.0


class Surroundings(Protocol):
    """What the rest of the node can say about itself and its peers."""

    def synced(self, now: float) -> bool: ...
    def failover(self) -> list[results.Failover]: ...
    def peers(self, now: float) -> list[results.Peer]: ...
    def peer_counts(self) -> results.PeerCounts: ...
    def cell_count(self) -> int: ...
    def store_bytes(self) -> int: ...
    def statistics(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How this registry presents itself to clients."""

    rpc_url: str
    authorities: Authorities


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
    ) -> None:
        self._key = key
        self._network = network.network
        self._settings = settings
        self._surroundings = surroundings
        self._epoch = epoch
        self._started = now
        self._tick_due = now + TICK_SECONDS
        self._adverts_due = now + ADVERTS_SECONDS
        self._sessions: dict[int, Session] = {}
        self._waiting: dict[int, tuple[int, int, Any]] = {}
        self._next_token = 1
        self._was_isolated = False
        self._stopping = False
        self._load_counter = 0
        self._effects: list[Any] = []
        self.homes = Homes(key.public, epoch, now)
        self.qos = QosCore(key.public, rng)
        self.directory = Directory(held, self.homes, self.qos.view)
        self.gate = Gate(key.public, self._network, settings.authorities)
        self.guests = Guests(key, network, held, epoch)
        self.registration = Registration(self.guests, held, self.gate, network, key.public, epoch)
        self.discovery = Discovery(self.directory, self.homes, self._freshness, rng)
        self.watching = Watching(self.directory, self._freshness, surroundings.synced)
        self._handlers = self._table()

    # --- the door -------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Any]:
        """The first timers. Call once, when the held cells are loaded."""
        return [
            Schedule(self._tick_due, ("registry", "tick")),
            Schedule(now + LEFTOVERS_AFTER_SECONDS, ("registry", "leftovers")),
        ]

    def handle(self, event: object, now: float, now_ms: int) -> list[Any]:
        """React to one event; the effects in the order in which they are to be carried out."""
        self._effects = []
        match event:
            case events.Call():
                self._call(event, now, now_ms)
            case events.Changed(subject):
                self._changed(subject, now)
            case events.PageHeard():
                self._page(event, now)
            case events.BatchHeard(registry, epoch, uptime_ms, interval_ms, issued_ms):
                before = self.homes.epoch(registry), self.homes.heard(registry, now)
                self.homes.batch(registry, epoch, uptime_ms, interval_ms, issued_ms, now, now_ms)
                if before != (self.homes.epoch(registry), self.homes.heard(registry, now)):
                    self._refresh_homed(registry, now)
            case events.RegistryKnown(registry, epoch):
                if self.homes.add(registry, epoch, now):
                    self._refresh_homed(registry, now)
            case events.RegistryForgotten(registry):
                self.homes.remove(registry)
                self._refresh_homed(registry, now)
            case events.Authored(token):
                self._authored(token)
            case events.SessionOpened(number, address, group, nonce):
                self._sessions[number] = Session(number, address, group, nonce)
                self.watching.open(number)
            case events.SessionClosed(number):
                self._closed(number, now, now_ms)
            case events.SessionSilent(number):
                self._silent(number, now, now_ms)
            case events.SessionHeard(number):
                self._heard_again(number, now_ms)
            case events.SessionWritable(number):
                self._effects += self.watching.writable(number, now)
            case events.LookedUp(session, call, result):
                self._answer(session, call, result)
            case events.Stopping():
                self._stopping = True  # from here on a socket that closes is our doing, not its node's
                for guest in self.guests:
                    self._notice(guest, "stopping")
            case Expired(("registry", *rest)):
                self._expired(rest, now, now_ms)
            case _:
                raise AssertionError(f"no rule for {event!r}")
        return self._effects

    def _expired(self, timer: list[Any], now: float, now_ms: int) -> None:
        match timer:
            case ["tick"]:
                self._tick(now, now_ms)
            case ["flush", session]:
                self._effects += self.watching.flush(session, now)
            case ["gone", node_id]:
                guest = self.guests.get(node_id)
                if guest is not None and guest.contact == LOST:
                    self._author_all([self.registration.end(guest, now_ms)])
            case ["leftovers"]:
                self._author_all(list(self.registration.leftovers(now_ms)))

    # --- calls ------------------------------------------------------------------------------------------------

    def _call(self, event: events.Call, now: float, now_ms: int) -> None:
        session = self._sessions.get(event.session)
        method = METHODS.get(event.method)
        if session is None or method is None:
            return  # the session ended meanwhile; unknown methods are answered at the websocket's side
        try:
            if self._stopping and method.access == "node":
                raise Refused(-32006, "registry.stopping", "this registry is stopping: move to another one")
            check_access(session, method)
            request = read_params(method, event.params)
            self._handlers[method.name](session, event.call, request, now, now_ms)
        except Refused as error:
            self._effects.append(Fail(event.session, event.call, error))

    def _table(self) -> dict[str, Callable[[Session, int, Any, float, int], None]]:
        """Method name → what carries it out. Reads answer at once; writes answer when they are on disk."""
        discovery, registration = self.discovery, self.registration

        def read(answer: Callable[[Any, float, int], Any]) -> Callable[[Session, int, Any, float, int], None]:
            def carry_out(session: Session, call: int, request: Any, now: float, now_ms: int) -> None:
                self._answer(session.number, call, answer(request, now, now_ms))

            return carry_out

        def write(
            change: Callable[[Session, Any, int], Written],
        ) -> Callable[[Session, int, Any, float, int], None]:
            def carry_out(session: Session, call: int, request: Any, now: float, now_ms: int) -> None:
                self._written(session, call, change(session, request, now_ms))

            return carry_out

        return {
            "rpc.ping": read(lambda request, now, now_ms: results.Time(time_ms=now_ms)),
            "session.hello": self._hello,
            "session.authenticate": self._authenticate,
            "node.register": write(registration.register),
            "node.renew": self._renew,
            "node.load": self._load,
            "node.drain": write(registration.drain),
            "node.resume": write(registration.resume),
            "node.leave": write(registration.leave),
            "node.explain": read(discovery.explain),
            "nodes.get": read(discovery.get),
            "nodes.list": read(discovery.page),
            "nodes.select": read(discovery.select),
            "nodes.facets": read(discovery.facets),
            "nodes.subscribe": self._subscribe,
            "nodes.unsubscribe": self._unsubscribe,
            "qos.report": self._qos_report,
            "qos.get": read(self._qos_get),
            "qos.explain": read(self._qos_explain),
            "registry.info": read(self._info),
            "registry.peers": read(lambda request, now, now_ms: results.Peers(peers=self._surroundings.peers(now))),
            "registry.lookup": self._lookup,
        }

    def _answer(self, session: int, call: int, result: Any) -> None:
        if session in self._sessions:
            self._effects.append(Reply(session, call, result))

    def _hello(self, session: Session, call: int, request: params.Hello, now: float, now_ms: int) -> None:
        if session.greeted:
            raise Refused(-32600, "session.hello", "session.hello comes once in a session")
        session.greeted = True
        session.agent = request.agent
        nonce = bytes.fromhex(request.client_nonce) if request.client_nonce is not None else None
        message = hello_message(self._network, self._key.public, nonce or b"", session.nonce)
        result = results.Hello(
            registry_id=self._key.public.hex(),
            epoch=self._epoch,
            network=self._network,
            version=__version__,
            server_nonce=session.nonce.hex(),
            time_ms=now_ms,
            rpc=self._settings.rpc_url,
            peers=self._surroundings.failover(),
            limits=results.Limits(
                message_bytes=MESSAGE_BYTES_MAX,
                batch=BATCH_MAX,
                in_flight=IN_FLIGHT_MAX,
                subscriptions=SUBSCRIPTIONS_PER_SESSION_MAX,
                queue_events=QUEUE_EVENTS_MAX,
                keys=KEYS_PER_SESSION_MAX,
            ),
            signature=self._key.sign(message).hex() if nonce is not None else msgspec.UNSET,
        )
        self._answer(session.number, call, result)

    def _authenticate(
        self, session: Session, call: int, request: params.Authenticate, now: float, now_ms: int
    ) -> None:
        key = bytes.fromhex(request.public_key)
        login = Login(request.role, key, request.authority, request.seq, bytes.fromhex(request.signature))
        greatest = self.registration.greatest_proof_seq(key) if request.role == "node" else 0
        self.gate.admit(session, login, greatest, now_ms)
        self._answer(session.number, call, results.ClientId(client_id=request.public_key))

    def _written(self, session: Session, call: int, written: Written) -> None:
        if written.displaced_session is not None:
            self._displace(written.displaced_session, written.cells[0].subject)
        self._author(written.cells, (session.number, call, written.result))

    def _renew(self, session: Session, call: int, request: params.Renew, now: float, now_ms: int) -> None:
        self._written(session, call, self.registration.renew(session, request, now_ms))
        if request.load is not None:
            guest = self.registration.guest_of(session, request.node_id)
            self._take_load(guest, body_of_load(request.load, now_ms), now)

    def _load(self, session: Session, call: int, request: params.Load, now: float, now_ms: int) -> None:
        guest = self.registration.guest_of(session, request.node_id)
        report = LoadReport(**{name: getattr(request, name) for name in LoadReport.__struct_fields__})
        self._take_load(guest, body_of_load(report, now_ms), now)
        self._answer(session.number, call, results.Empty())

    def _subscribe(self, session: Session, call: int, request: params.Subscribe, now: float, now_ms: int) -> None:
        self._effects += self.watching.subscribe(session.number, call, request, now)

    def _unsubscribe(self, session: Session, call: int, request: params.Unsubscribe, now: float, now_ms: int) -> None:
        self.watching.unsubscribe(session.number, request.subscription)
        self._answer(session.number, call, True)

    def _qos_report(self, session: Session, call: int, request: params.QosReport, now: float, now_ms: int) -> None:
        subject = bytes.fromhex(request.node_id)
        self._check_described(subject)
        reporter = next(iter(session.clients), None) or next(iter(session.proofs))
        answer = self.qos.report(
            reporter, session.group, subject, request.start_ms, request.end_ms, request.samples, now, now_ms
        )
        self._answer(session.number, call, answer)
        self._refresh(subject, now)

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

    def _lookup(self, session: Session, call: int, request: params.Lookup, now: float, now_ms: int) -> None:
        self._effects.append(StartLookup(session.number, call, bytes.fromhex(request.target)))

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

    # --- cells of our own -------------------------------------------------------------------------------------

    def _author(self, cells: tuple[Cell, ...], waiting: tuple[int, int, Any] | None) -> None:
        token = self._next_token
        self._next_token += 1
        if waiting is not None:
            self._waiting[token] = waiting
        self._effects.append(Author(token, cells))

    def _author_all(self, cells: list[Cell | None]) -> None:
        for cell in cells:
            if cell is not None:
                self._author((cell,), None)

    def _authored(self, token: int) -> None:
        waiting = self._waiting.pop(token, None)
        if waiting is not None:
            self._answer(*waiting)

    # --- what others say ----------------------------------------------------------------------------------------

    def _changed(self, subject: bytes, now: float) -> None:
        guest = self.guests.get(subject)
        if guest is not None and self.registration.outranked(guest):
            self.guests.forget(subject)
            if guest.session is not None:
                self._displace(guest.session, subject)
        self._refresh(subject, now)

    def _displace(self, number: int, node_id: bytes) -> None:
        session = self._sessions.get(number)
        if session is not None:
            session.displaced[node_id] = None
            self._notify_notice(number, node_id, "displaced")

    def _page(self, page: events.PageHeard, now: float) -> None:
        order = (page.epoch, page.counter)
        if page.kind == LOAD_PAGE:
            body = read_load_body(page.body)
            if body is None:
                return
            age = max(0.0, (page.issued_ms - body.get("measured_ms", page.issued_ms)) / 1000)
            if self.directory.put_load(page.subject, LoadPage(page.registry, order, body, now, age)):
                self._refresh(page.subject, now)
        elif page.kind == QOS_PAGE and self.qos.merge_page(page.registry, page.subject, page.body, order, now):
            self._refresh(page.subject, now)

    def _refresh(self, node_id: bytes, now: float) -> None:
        change = self.directory.refresh(node_id, now)
        if change is not None:
            self._told(change, now)

    def _told(self, change: Change, now: float) -> None:
        self._effects += self.watching.on_change(change, now)

    def _refresh_homed(self, registry: bytes, now: float) -> None:
        for node_id in self.directory.homed_at(registry):
            self._refresh(node_id, now)

    # --- sockets --------------------------------------------------------------------------------------------------

    def _guests_of(self, session: Session) -> list[Guest]:
        guests = [self.guests.get(node_id) for node_id in session.proofs]
        return [guest for guest in guests if guest is not None and guest.session == session.number]

    def _closed(self, number: int, now: float, now_ms: int) -> None:
        session = self._sessions.pop(number, None)
        self.watching.close(number)
        if session is not None and not self._stopping:
            for guest in self._guests_of(session):
                self._lose(guest, now, now_ms, closed=True)

    def _silent(self, number: int, now: float, now_ms: int) -> None:
        session = self._sessions.get(number)
        if session is not None:
            for guest in self._guests_of(session):
                self._lose(guest, now, now_ms, closed=False)

    def _lose(self, guest: Guest, now: float, now_ms: int, *, closed: bool) -> None:
        if closed and self.registration.outranked(guest):
            self.guests.forget(guest.node_id)
            return
        cell = self.registration.lose(guest, now_ms, closed=closed)
        if cell is not None:
            self._author((cell,), None)
            self._effects.append(Schedule(now + GONE_AFTER_SECONDS, ("registry", "gone", guest.node_id)))

    def _heard_again(self, number: int, now_ms: int) -> None:
        session = self._sessions.get(number)
        if session is not None:
            for guest in self._guests_of(session):
                if guest.contact != ATTACHED:
                    self._author_all([self.registration.heard_again(guest, now_ms)])

    # --- notices ----------------------------------------------------------------------------------------------------

    def _notice(self, guest: Guest, reason: str) -> None:
        if guest.session is not None:
            self._notify_notice(guest.session, guest.node_id, reason)

    def _notify_notice(self, session: int, node_id: bytes, reason: str) -> None:
        notice = {"node_id": node_id.hex(), "reason": reason, "registries": self._surroundings.failover()}
        self._effects.append(Notify(session, "node.notice", notice))

    # --- load -------------------------------------------------------------------------------------------------------

    def _take_load(self, guest: Guest, body: dict[str, int], now: float) -> None:
        guest.load = body
        self._publish_load(guest, now)

    def _publish_load(self, guest: Guest, now: float) -> None:
        assert guest.load is not None
        guest.load_published = now
        self._load_counter += 1
        page = LoadPage(self._key.public, (self._epoch, self._load_counter), guest.load, now, 0.0)
        if self.directory.put_load(guest.node_id, page):
            self._refresh(guest.node_id, now)
        self._effects.append(PublishPage(LOAD_PAGE, guest.node_id, guest.load))

    # --- time -------------------------------------------------------------------------------------------------------

    def _tick(self, now: float, now_ms: int) -> None:
        late = now - self._tick_due
        if late > STALL_SECONDS:
            self.homes.stalled(late, now)
        self._tick_due = now + TICK_SECONDS
        self._effects.append(Schedule(self._tick_due, ("registry", "tick")))
        for registry in self.homes.tick(now):
            self._refresh_homed(registry, now)
        for node_id in (*self.directory.ended_loads(now - PAGE_LIFE_SECONDS), *self.qos.expire(now, now_ms)):
            self._refresh(node_id, now)
        for subject, body in self.qos.pages_due(now, now_ms):
            self._effects.append(PublishPage(QOS_PAGE, subject, body))
        self._tick_guests(now, now_ms)
        self._effects += self.watching.tick(now)

    def _tick_guests(self, now: float, now_ms: int) -> None:
        for guest in self.registration.unproven(now_ms):
            self._notice(guest, "prove")
        isolated = self.homes.isolated(now)
        for guest in self.guests:
            if isolated and not self._was_isolated:
                self._notice(guest, "isolated")
            stale = guest.load is not None and now - guest.load_published > PAGE_REFRESH_SECONDS
            if stale and guest.session is not None:
                self._publish_load(guest, now)
        self._was_isolated = isolated
        if now >= self._adverts_due:
            self._adverts_due = now + ADVERTS_SECONDS
            self._author_all(list(self.registration.refreshed_adverts(now_ms)))


def check_access(session: Session, method: Method) -> None:
    """`auth.required` unless the session has done what the method asks for."""
    if method.access == "greeted" and not session.greeted:
        raise Refused(-32001, "auth.required", "session.hello comes first: it gives the nonce to sign")
    if method.access == "authenticated" and not session.authenticated:
        raise Refused(-32001, "auth.required", f"{method.name} needs session.authenticate first, in either role")
    if method.access == "node" and not session.proofs:
        raise Refused(-32001, "auth.required", f"{method.name} needs session.authenticate with role node first")


def read_params(method: Method, given: Any) -> Any:
    """The method's params struct; -32602 with the path of what is wrong."""
    if isinstance(given, list):
        names = method.params.__struct_fields__
        if len(given) > len(names):
            raise Refused(-32602, "params.invalid", f"{method.name} takes at most {len(names)} params", path="$")
        given = dict(zip(names, given, strict=False))
    try:
        return msgspec.convert({} if given is None else given, method.params)
    except msgspec.ValidationError as error:
        raise _invalid_params(error) from None


def _invalid_params(error: msgspec.ValidationError) -> P2pregError:
    text, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    if "unknown field `" in text:
        path = f"{path}.{text.split('`')[1]}"
    return Refused(-32602, "params.invalid", f"{path}: {text}", path=path)
