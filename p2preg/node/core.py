"""The node core: one dispatch table, and the only place where the cores meet.

`handle` takes one event and gives back what the driver must do, in order. Cores never see each other: what one of them
asks for is carried out here, if need be by another, before the next event is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from p2preg.base.bounded import BoundedDict
from p2preg.base.effects import Connect, Disconnect, Misbehaved, Schedule, Send
from p2preg.base.errors import RemoteProtocolError
from p2preg.base.events import ConnectFailed, Expired, NeighborDown, NeighborUp, PeerDown, PeerUp, Received
from p2preg.base.ids import short
from p2preg.base.limits import CONTACT_CELLS_MAX
from p2preg.broadcast import effects as spreading
from p2preg.broadcast import events as broadcast_events
from p2preg.broadcast.batch import Batch, Page
from p2preg.broadcast.core import BroadcastCore
from p2preg.cells.cell import REGISTRY, Cell, CellInvalid, CellUnknown, parse_cell
from p2preg.cells.changes import Change, Outcome
from p2preg.cells.held import HeldCells
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck, verify
from p2preg.dht import effects as dht_effects
from p2preg.dht import events as dht_events
from p2preg.dht.contact import Contact
from p2preg.dht.core import DhtCore
from p2preg.dht.distance import routing_id
from p2preg.node.addresses import Addresses
from p2preg.node.config import NodeConfig
from p2preg.node.effects import CloseLink, Dial, Forget, Halt, Log, Persist, Store, Verify
from p2preg.node.events import DialFailed, LinkDown, LinkUp, MessageReceived, Shutdown, Stored, Verified
from p2preg.node.intake import Intake, Job
from p2preg.node.own_cell import OwnCell, endpoint_of, epoch_of, text_of
from p2preg.node.publisher import Publisher
from p2preg.node.seeds import Seeds
from p2preg.node.surroundings import NodeSurroundings
from p2preg.node.sync import SyncStatus
from p2preg.overlay import events as overlay_events
from p2preg.overlay.core import OverlayCore
from p2preg.reconcile import effects as reconcile_effects
from p2preg.reconcile import events as reconcile_events
from p2preg.reconcile.core import ReconcileCore
from p2preg.reconcile.digests import Digests
from p2preg.registry import effects as registry_effects
from p2preg.registry import events as registry_events
from p2preg.registry import results
from p2preg.registry.core import RegistryCore
from p2preg.wire import messages

if TYPE_CHECKING:
    from random import Random

TICK_SECONDS = 1.0
REPAIR_AGE_MS = 60_000  # a difference older than this is no gossip in flight
TABLE_PERSIST_SECONDS = 60.0
KINDS = (1, 2, 3)

_DHT = (messages.FindNode, messages.Nodes)
_OVERLAY = (
    messages.Join,
    messages.ForwardJoin,
    messages.Neighbor,
    messages.NeighborReply,
    messages.DisconnectNeighbor,
    messages.Shuffle,
    messages.ShuffleReply,
)
_BROADCAST = (messages.Gossip, messages.IHave, messages.Graft, messages.Prune)


@dataclass(slots=True)
class _Linked:
    """A link in use. `released`: a core that asked for it no longer needs it."""

    outbound: bool
    used_at: float
    released: bool = False


class NodeCore:
    """See the module. `now`: monotonic seconds; `now_ms`: Unix milliseconds."""

    def __init__(
        self,
        key: IdentityKey,
        network: NetworkFile,
        config: NodeConfig,
        outside: Any,
        rng: Random,
        epoch: int,
        now: float,
        now_ms: int,
        restored: Iterable[Cell] = (),
        verify_one: Callable[[SignatureCheck], bool] = verify,
    ) -> None:
        """`restored`: the verified cells of the last run. `epoch`: greater than in any run before, and on disk."""
        self.own_id = key.public
        self.now = now
        self.held = HeldCells(network)
        self._network = network
        self._config = config
        self._epoch = epoch
        self._verify_one = verify_one
        self._links: dict[bytes, _Linked] = {}
        self._wanted: dict[bytes, dict[str, None]] = {}
        self._contact_cells: BoundedDict[bytes, Contact | None] = BoundedDict(CONTACT_CELLS_MAX)
        self._own_stores: dict[int, tuple[int, tuple[Cell, ...]]] = {}
        self._next_token = 1
        self._timers: dict[str, float] = {}
        self._persist_at = now + TABLE_PERSIST_SECONDS
        self._stopping = False
        self._out: list[Any] = []
        self._digests = Digests()
        self._intake = Intake(network, self.held)
        self._addresses = Addresses(config.dial_backoff_min, config.dial_backoff_max)
        strangers = tuple(seed for seed in config.seeds if seed not in config.endpoints)
        self._seeds = Seeds(strangers, config.dial_backoff_min, config.dial_backoff_max, now)
        self._sync = SyncStatus(config.reconcile_interval, rng, now)
        self._had_peers = False
        for cell in sorted(restored, key=lambda cell: (cell.kind != REGISTRY, cell.kind)):
            self.held.offer(cell, now_ms, now, None)
        self._own_cell = OwnCell(key, network, config, epoch, self._held_own_seq(), now_ms)
        self._publisher = Publisher(key, network.network, epoch, config.own_cell_spread, now)
        self.dht = DhtCore(self.own_id, rng, config.dht, self.read_contact)
        self.overlay = OverlayCore(self.own_id, config.overlay, rng, self._cell_of)
        self.broadcast = BroadcastCore(self.own_id, network.network, config.broadcast)
        self.reconcile = ReconcileCore(self._digests, rng, config.reconcile, self._raw_of)
        self.registry = RegistryCore(
            key, network, self.held, config.registry, NodeSurroundings(self, outside), rng, epoch, now
        )

    # --- the door -------------------------------------------------------------------------------------------

    def start(self, anchors: Iterable[bytes], now: float, now_ms: int) -> list[Any]:
        """The first effects. `anchors`: the registry cells of the routing table of the last run."""
        self._out, self.now = [], now
        self._settle_changes(now, now_ms)
        self._take_own_cell(self._own_cell.cell, now, now_ms)
        contacts = [contact for contact in map(self.read_contact, anchors) if contact is not None]
        for contact in contacts:
            self._addresses.learn(contact.public_key, contact.endpoint)
        self._had_peers = bool(contacts)
        self._carry("registry", self.registry.start(now), now, now_ms)
        self._carry("dht", self.dht.handle(dht_events.Bootstrap(tuple(contacts)), now), now, now_ms)
        self._tick(now, now_ms)
        return self._finish(now, now_ms)

    def handle(self, event: object, now: float, now_ms: int) -> list[Any]:
        """React to one event; what the driver must do, in order."""
        self._out, self.now = [], now
        match event:
            case MessageReceived(peer, message):
                self._on_message(peer, message, now, now_ms)
            case Expired(timer):
                self._on_expired(timer, now, now_ms)
            case Verified(token, verdicts):
                self._on_verified(self._intake.end(token), verdicts, now, now_ms)
            case Stored(token):
                self._on_stored(token, now, now_ms)
            case LinkUp():
                self._on_link_up(event, now, now_ms)
            case LinkDown(peer):
                self._on_link_down(peer, now, now_ms)
            case DialFailed(endpoint, expected, _):
                self._on_dial_failed(endpoint, expected, now, now_ms)
            case Shutdown():
                self._on_shutdown(now, now_ms)
            case _:
                self._tell_registry(event, now, now_ms)
        return self._finish(now, now_ms)

    def _finish(self, now: float, now_ms: int) -> list[Any]:
        """What may follow from any event: a batch that is due, a reconciliation, and the timers for the next."""
        if not self._stopping:
            self._reconcile_due(now, now_ms)
            self._flush(now, now_ms)
            self._schedule("flush", self._publisher.next_at(now))
            self._schedule("sync", self._sync.next_at())
        effects, self._out = self._out, []
        return effects

    def _schedule(self, name: str, at: float) -> None:
        if self._timers.get(name) != at:
            self._timers[name] = at
            self._out.append(Schedule(at, ("node", name)))

    # --- carrying out what the cores ask for ------------------------------------------------------------------

    def _carry(self, core: str, effects: Iterable[Any], now: float, now_ms: int) -> None:
        for effect in effects:
            match effect:
                case Send() | Schedule():
                    self._out.append(effect)
                case registry_effects.Reply() | registry_effects.Fail() | registry_effects.Notify():
                    self._out.append(effect)
                case NeighborUp() | NeighborDown():
                    self._carry("broadcast", self.broadcast.handle(effect, now), now, now_ms)
                case Connect(peer):
                    self._connect(core, peer, now, now_ms)
                case Disconnect(peer):
                    self._release(peer)
                case Misbehaved(peer, reason):
                    self._misbehaved(peer, reason, now)
                case spreading.Deliver(peer, batch):
                    self._take_in("batch", peer, batch.cells, now, now_ms, batch=batch)
                case spreading.UnknownOrigin(peer, batch):
                    self._take_in("origin", peer, self._origin_cell(batch), now, now_ms, batch=batch)
                case spreading.Gap(origin, _, low, high):
                    self._log("info", "gap", origin=short(origin), low=low, high=high)
                    self._sync.soon(now)
                case spreading.NewEpoch():
                    pass
                case reconcile_effects.Offer(peer, session, cells):
                    self._take_in("offer", peer, cells, now, now_ms, session=session)
                case reconcile_effects.SessionEnded(peer, ok, received, pushed, repaired, _):
                    self._sync.ended(peer, ok, repaired, now)
                    if received or pushed or not ok:
                        self._log(
                            "info", "reconciled", peer=short(peer), ok=ok, received=received, pushed=pushed,
                            repaired=repaired,
                        )  # fmt: skip
                case overlay_events.Learned(cells, peer):
                    self._take_in("learned", peer, cells, now, now_ms)
                case dht_effects.Learned(contact):
                    self._offer((parse_cell(contact.cell, self._network),), None, now, now_ms)
                    self._settle_changes(now, now_ms)
                case dht_effects.LookupDone((int(session), int(call)), result):
                    self._tell_registry(
                        registry_events.LookedUp(session, call, self._lookup_result(result)), now, now_ms
                    )
                case dht_effects.LookupDone():
                    pass
                case registry_effects.Author(token, cells):
                    self._own_stores[self._next_token] = (token, cells)
                    self._out.append(Store(self._next_token, cells))
                    self._next_token += 1
                case registry_effects.PublishPage(kind, subject, body):
                    self._publisher.add_page(Page(kind, subject, body))
                case registry_effects.StartLookup(session, call, target):
                    lookup = dht_events.StartLookup((session, call), routing_id(target))
                    self._carry("dht", self.dht.handle(lookup, now), now, now_ms)
                case _:
                    raise AssertionError(f"no rule for {effect!r}")

    def _tell_registry(self, event: object, now: float, now_ms: int) -> None:
        self._carry("registry", self.registry.handle(event, now, now_ms), now, now_ms)

    def _tell_cores(self, event: object, now: float, now_ms: int) -> None:
        """What concerns every core that speaks over links."""
        self._carry("dht", self.dht.handle(event, now), now, now_ms)
        self._carry("overlay", self.overlay.handle(event, now), now, now_ms)
        if not isinstance(event, ConnectFailed):
            self._carry("reconcile", self.reconcile.handle(event, now), now, now_ms)

    def _log(self, level: str, event: str, **fields: Any) -> None:
        self._out.append(Log(level, event, fields))

    # --- links ------------------------------------------------------------------------------------------------

    def is_outbound(self, peer: bytes) -> bool | None:
        """Whether we dialled the link to `peer`; None without one."""
        linked = self._links.get(peer)
        return None if linked is None else linked.outbound

    def check_hello(self, peer: bytes, hello: messages.Hello) -> None:
        """`RemoteProtocolError` unless the cell in `hello` is `peer`'s own, signed, of this network."""
        contact = self.read_contact(hello.cell)
        if contact is None or contact.public_key != peer:
            raise RemoteProtocolError("a registry cell of this network, signed by the link's own key, was expected")

    def hello(self, now_ms: int) -> messages.Hello:
        """Our first message on a new link."""
        return messages.Hello(
            version_min=1,
            version_max=1,
            network=self._network.network,
            software="p2preg",
            epoch=self._epoch,
            time_ms=now_ms,
            cell=self._own_cell.cell.raw,
            kinds=list(KINDS),
        )

    def _on_link_up(self, link: LinkUp, now: float, now_ms: int) -> None:
        peer = link.peer
        contact = self.read_contact(link.hello.cell)
        if contact is None or peer == self.own_id:
            self._out.append(CloseLink(peer, "no registry cell of this network"))
            return
        self._links[peer] = _Linked(link.outbound, now)
        self._had_peers = True
        self._addresses.learn(peer, contact.endpoint)
        self._addresses.succeeded(peer)
        self._seeds.answered(contact.endpoint, peer, now)
        self._wanted.pop(peer, None)
        self._offer((parse_cell(link.hello.cell, self._network),), peer, now, now_ms)
        self._settle_changes(now, now_ms)
        self._tell_cores(PeerUp(peer, link.outbound), now, now_ms)
        self._carry("dht", self.dht.handle(dht_events.ContactSeen(contact), now), now, now_ms)
        self._sync.peer_up(peer, now)

    def _on_link_down(self, peer: bytes, now: float, now_ms: int) -> None:
        if self._links.pop(peer, None) is None:
            return
        self._sync.peer_down(peer)
        self._tell_cores(PeerDown(peer), now, now_ms)

    def _connect(self, core: str, peer: bytes, now: float, now_ms: int) -> None:
        """Answered by PeerUp or ConnectFailed in any case."""
        linked = self._links.get(peer)
        if linked is not None:
            self._tell(core, PeerUp(peer, linked.outbound), now, now_ms)
            return
        endpoint = self._addresses.start_dial(peer, now)
        if endpoint is not None:
            self._out.append(Dial(endpoint, peer))
        elif not self._addresses.is_dialling(peer):
            self._tell(core, ConnectFailed(peer), now, now_ms)
            return
        self._wanted.setdefault(peer, {})[core] = None

    def _tell(self, core: str, event: object, now: float, now_ms: int) -> None:
        handler = self.dht.handle if core == "dht" else self.overlay.handle
        self._carry(core, handler(event, now), now, now_ms)

    def _release(self, peer: bytes) -> None:
        linked = self._links.get(peer)
        if linked is not None:
            linked.released = True

    def _on_dial_failed(self, endpoint: str, expected: bytes | None, now: float, now_ms: int) -> None:
        if expected is None:
            self._seeds.failed(endpoint, now)
            return
        self._addresses.failed(expected, now)
        for core in self._wanted.pop(expected, {}):
            self._tell(core, ConnectFailed(expected), now, now_ms)

    def _misbehaved(self, peer: bytes, reason: str, now: float) -> None:
        self._log("info", "misbehaved", peer=short(peer), reason=reason)
        self._addresses.shun(peer, now)
        if peer in self._links:
            self._out.append(CloseLink(peer, reason[:64]))

    def _close_idle(self, now: float) -> None:
        neighbours = self.overlay.neighbours
        for peer, linked in self._links.items():
            idle = now - linked.used_at
            if peer not in neighbours and (idle > self._config.idle_link or (linked.released and idle > TICK_SECONDS)):
                self._out.append(CloseLink(peer, "idle"))

    # --- messages ---------------------------------------------------------------------------------------------

    def _on_message(self, peer: bytes, message: object, now: float, now_ms: int) -> None:
        linked = self._links.get(peer)
        if linked is None:
            return
        linked.used_at = now
        if isinstance(message, _BROADCAST):
            self._carry("broadcast", self.broadcast.handle(Received(peer, message), now), now, now_ms)
        elif isinstance(message, _OVERLAY):
            self._carry("overlay", self.overlay.handle(Received(peer, message), now), now, now_ms)
        elif isinstance(message, _DHT):
            self._carry("dht", self.dht.handle(Received(peer, message), now), now, now_ms)
        else:
            asked = reconcile_events.Asked(peer, message, now_ms)
            self._carry("reconcile", self.reconcile.handle(asked, now), now, now_ms)

    def _on_expired(self, timer: Any, now: float, now_ms: int) -> None:
        match timer:
            case ("node", "tick"):
                self._tick(now, now_ms)
            case ("node", name):
                self._timers.pop(name, None)  # `_finish` does the rest
            case ("registry", *_):
                self._tell_registry(Expired(timer), now, now_ms)
            case ("dht", *_):
                self._carry("dht", self.dht.handle(Expired(timer), now), now, now_ms)
            case ("overlay", *_):
                self._carry("overlay", self.overlay.handle(Expired(timer), now), now, now_ms)
            case ("broadcast", *_):
                self._carry("broadcast", self.broadcast.handle(Expired(timer), now), now, now_ms)
            case ("reconcile", *_):
                self._carry("reconcile", self.reconcile.handle(Expired(timer), now), now, now_ms)
            case _:
                raise AssertionError(f"no rule for the timer {timer!r}")

    def _tick(self, now: float, now_ms: int) -> None:
        self._out.append(Schedule(now + TICK_SECONDS, ("node", "tick")))
        self.held.tick(now_ms, now)
        self._settle_changes(now, now_ms)
        if self._own_cell.cell.seq + self._config.own_cell_interval * 1000 <= now_ms:
            self._renew_own_cell(0, now, now_ms)
        for endpoint in self._seeds.due(now, lonely=not self._links):
            self._out.append(Dial(endpoint, None))
        self._close_idle(now)
        if now >= self._persist_at:
            self._persist_at = now + TABLE_PERSIST_SECONDS
            self._persist_table()

    def _persist_table(self) -> None:
        self._out.append(Persist("routing_table", b"".join(_framed(cell) for cell in self.dht.snapshot())))

    def _on_shutdown(self, now: float, now_ms: int) -> None:
        for batch in self._publisher.farewell(now, now_ms):
            self._carry("broadcast", self.broadcast.handle(broadcast_events.Publish(batch), now), now, now_ms)
        self._carry("overlay", self.overlay.handle(overlay_events.Shutdown(), now), now, now_ms)
        self._persist_table()
        self._stopping = True

    # --- cells on their way in ----------------------------------------------------------------------------------

    def _take_in(
        self,
        purpose: Any,
        peer: bytes,
        raws: tuple[bytes, ...],
        now: float,
        now_ms: int,
        *,
        batch: Batch | None = None,
        session: int | None = None,
    ) -> None:
        if purpose == "origin" and not raws:
            return
        try:
            job = self._intake.job(purpose, peer, raws, batch, session)
        except CellInvalid as error:
            self._refuse(Job(purpose, peer, (), (), batch, session), str(error), now, now_ms)
            return
        if self._intake.full and purpose in ("origin", "learned"):
            return  # batches and offers are bounded by those who ask for them; these would not be
        if not job.checks:
            self._on_verified(job, [], now, now_ms)
            return
        self._out.append(Verify(self._intake.begin(job), job.checks))

    def _on_verified(self, job: Job, verdicts: list[bool], now: float, now_ms: int) -> None:
        if not all(verdicts):
            self._refuse(job, "a signature does not hold", now, now_ms)
            return
        merged, repaired = self._offer(job.cells, job.peer, now, now_ms)
        self._settle_changes(now, now_ms)
        match job.purpose:
            case "offer":
                answer = reconcile_events.Offered(job.session, merged, repaired)
                self._carry("reconcile", self.reconcile.handle(answer, now), now, now_ms)
            case "batch":
                assert job.batch is not None
                self._on_batch(job.batch, now, now_ms)
            case "origin":
                assert job.batch is not None
                if self.held.registry(job.batch.origin) is not None:
                    gossip = Received(job.peer, messages.Gossip(job.batch.raw))
                    self._carry("broadcast", self.broadcast.handle(gossip, now), now, now_ms)
            case "learned":
                for cell in job.cells:
                    self._tell_member(cell, now, now_ms)

    def _refuse(self, job: Job, reason: str, now: float, now_ms: int) -> None:
        if job.purpose == "batch" and job.batch is not None:
            refused = broadcast_events.Refused(job.batch.batch_id)
            self._carry("broadcast", self.broadcast.handle(refused, now), now, now_ms)
            return
        self._misbehaved(job.peer, reason, now)
        if job.purpose == "offer":
            offered = reconcile_events.Offered(job.session, 0, 0)
            self._carry("reconcile", self.reconcile.handle(offered, now), now, now_ms)

    def _offer(self, cells: Iterable[Cell], peer: bytes | None, now: float, now_ms: int) -> tuple[int, int]:
        """Offer verified cells; how many were new, and how many of these gossip should have brought."""
        merged = repaired = 0
        for cell in cells:
            if self.held.offer(cell, now_ms, now, peer) is Outcome.NEW:
                merged += 1
                repaired += now_ms - cell.seq >= REPAIR_AGE_MS
        return merged, repaired

    def _origin_cell(self, batch: Batch) -> tuple[bytes, ...]:
        """The registry cell of a batch's unknown origin, if it rides in it."""
        for raw in batch.cells:
            try:
                cell = parse_cell(raw, self._network)
            except (CellInvalid, CellUnknown):
                continue
            if cell.kind == REGISTRY and cell.writer == batch.origin:
                return (raw,)
        return ()

    def _on_batch(self, batch: Batch, now: float, now_ms: int) -> None:
        if batch.origin == self.own_id:
            if (batch.epoch, batch.counter) > (self._epoch, self._publisher.counter):
                self._halt(f"a batch of epoch {batch.epoch} was signed with our key; ours is {self._epoch}")
            self._carry("broadcast", self.broadcast.handle(broadcast_events.Accepted(batch), now), now, now_ms)
            return
        heard = registry_events.BatchHeard(
            batch.origin, batch.epoch, batch.uptime_ms, batch.interval_ms, batch.issued_ms
        )
        self._tell_registry(heard, now, now_ms)
        for page in batch.pages:
            self._tell_registry(
                registry_events.PageHeard(
                    batch.origin, batch.epoch, batch.counter, batch.issued_ms, page.kind, page.subject, page.body
                ),
                now,
                now_ms,
            )
        self._carry("broadcast", self.broadcast.handle(broadcast_events.Accepted(batch), now), now, now_ms)

    def _halt(self, reason: str) -> None:
        self._log("error", "key in use elsewhere", reason=reason)
        self._out.append(Halt(reason))

    # --- cells of our own -----------------------------------------------------------------------------------------

    def _on_stored(self, token: int, now: float, now_ms: int) -> None:
        registry_token, cells = self._own_stores.pop(token)
        self._offer(cells, None, now, now_ms)
        self._settle_changes(now, now_ms, own=True)
        if not self._publisher.add_cells(tuple(cell.raw for cell in cells)):
            self._log("warning", "outgoing full", waiting_bytes=self._publisher.waiting_bytes)
        self._tell_registry(registry_events.Authored(registry_token), now, now_ms)

    def _take_own_cell(self, cell: Cell, now: float, now_ms: int) -> None:
        if self.held.offer(cell, now_ms, now, None) is Outcome.NOT_HELD:
            self._log("error", "not admitted", network=self._network.network, registry=short(self.own_id))
        self._settle_changes(now, now_ms)

    def _renew_own_cell(self, above: int, now: float, now_ms: int) -> None:
        cell = self._own_cell.renew(above, now_ms)
        self._take_own_cell(cell, now, now_ms)
        self._publisher.add_cells((cell.raw,))

    def _held_own_seq(self) -> int:
        own = self.held.registry(self.own_id)
        return own.seq if own is not None else 0

    # --- what is held changes ---------------------------------------------------------------------------------------

    def _settle_changes(self, now: float, now_ms: int, *, own: bool = False) -> None:
        """Tell the disk, the digests and the cores what happened to the held cells. `own`: it is on disk already."""
        for change in self.held.drain_changes():
            if isinstance(change, Change):
                self._book(change, own=own)
                for cell in (change.old, change.new):
                    if cell is not None:
                        self._tell_changed(cell, now, now_ms)
            else:
                self._tell_changed(change.cell, now, now_ms)

    def _book(self, change: Change, *, own: bool) -> None:
        old, new = change.old, change.new
        if old is new:
            return  # only its visibility changed
        if old is not None:
            self._digests.remove(old.key)
        if new is not None:
            self._digests.add(new.kind, new.shard, new.key, new.element, new.end_ms)
            if not own:
                self._out.append(Store(None, (new,)))
        elif old is not None:
            self._out.append(Forget((old,)))

    def _tell_changed(self, cell: Cell, now: float, now_ms: int) -> None:
        if cell.kind != REGISTRY:
            self._tell_registry(registry_events.Changed(cell.subject), now, now_ms)
        elif cell.writer == self.own_id:
            self._watch_own(now, now_ms)
        else:
            self._tell_registry_cell(cell.writer, now, now_ms)

    def _watch_own(self, now: float, now_ms: int) -> None:
        """Somebody holds a greater cell of our key: an earlier run of ours signed it, or another process does."""
        held = self.held.registry(self.own_id)
        if held is None or held.order <= self._own_cell.cell.order:
            return
        if epoch_of(held) > self._epoch:
            self._halt(f"a registry cell of epoch {epoch_of(held)} was signed with our key; ours is {self._epoch}")
            return
        self._renew_own_cell(held.seq, now, now_ms)

    def _tell_registry_cell(self, registry: bytes, now: float, now_ms: int) -> None:
        cell = self.held.registry(registry)
        if cell is None:
            self._tell_registry(registry_events.RegistryForgotten(registry), now, now_ms)
            self._carry("broadcast", self.broadcast.handle(broadcast_events.OriginDropped(registry), now), now, now_ms)
            self._carry("overlay", self.overlay.handle(overlay_events.MemberGone(registry), now), now, now_ms)
            return
        self._had_peers = True
        self._tell_registry(registry_events.RegistryKnown(registry, epoch_of(cell)), now, now_ms)
        self._carry("broadcast", self.broadcast.handle(broadcast_events.OriginHeld(registry), now), now, now_ms)
        self._tell_member(cell, now, now_ms)

    def _tell_member(self, cell: Cell, now: float, now_ms: int) -> None:
        endpoint = endpoint_of(cell)
        if endpoint is None or cell.kind != REGISTRY or cell.writer == self.own_id:
            return
        self._addresses.learn(cell.writer, endpoint)
        member = overlay_events.Member(cell.writer, Contact.of(cell.writer, endpoint, cell.raw).prefix)
        self._carry("overlay", self.overlay.handle(member, now), now, now_ms)

    # --- ports that the cores read through --------------------------------------------------------------------------

    def read_contact(self, raw: bytes) -> Contact | None:
        """A signed registry cell of this network as a contact; None when it is not one. Remembered by its bytes."""
        if raw in self._contact_cells:
            return self._contact_cells[raw]
        contact = self._judge_contact(raw)
        self._contact_cells.set(raw, contact)
        return contact

    def _judge_contact(self, raw: bytes) -> Contact | None:
        try:
            cell = parse_cell(raw, self._network)
        except RemoteProtocolError:
            return None
        endpoint = endpoint_of(cell)
        if cell.kind != REGISTRY or endpoint is None or not self._network.admits(cell):
            return None
        if not all(self._verify_one(check) for check in cell.checks()):
            return None
        return Contact.of(cell.writer, endpoint, raw)

    def _cell_of(self, registry: bytes) -> bytes | None:
        if registry == self.own_id:
            return self._own_cell.cell.raw
        cell = self.held.registry(registry)
        return cell.raw if cell is not None else None

    def _raw_of(self, key: bytes) -> bytes | None:
        cell = self.held.get(key)
        return cell.raw if cell is not None else None

    def _lookup_result(self, result: Any) -> results.LookedUp:
        closest = []
        for contact in result.closest:
            cell = parse_cell(contact.cell, self._network)
            closest.append(
                results.Closest(
                    registry_id=contact.public_key.hex(), endpoint=contact.endpoint, rpc=text_of(cell, "rpc")
                )
            )
        return results.LookedUp(closest=closest, hops=result.hops, asked=result.asked, found=result.found)

    # --- time -------------------------------------------------------------------------------------------------------

    def _reconcile_due(self, now: float, now_ms: int) -> None:
        peer = self._sync.due(now)
        if peer is not None:
            reconcile = reconcile_events.Reconcile(peer, now_ms)
            self._carry("reconcile", self.reconcile.handle(reconcile, now), now, now_ms)

    def _flush(self, now: float, now_ms: int) -> None:
        if self._publisher.next_at(now) > now:
            return
        registries = self.held.statistics().registries
        for batch in self._publisher.take(self._own_cell.cell.raw, registries, now, now_ms):
            self._carry("broadcast", self.broadcast.handle(broadcast_events.Publish(batch), now), now, now_ms)

    def synced(self, now: float) -> bool:
        """As design section 5 defines it."""
        return self._sync.synced(now, has_peers=self._had_peers or len(self._seeds) > 0)


def _framed(cell: bytes) -> bytes:
    return len(cell).to_bytes(2) + cell


def read_table(value: bytes) -> list[bytes]:
    """The registry cells in a persisted routing table; a torn end is left out."""
    cells = []
    at = 0
    while at + 2 <= len(value):
        length = int.from_bytes(value[at : at + 2])
        cells.append(value[at + 2 : at + 2 + length])
        at += 2 + length
    return cells
