"""The node core: one dispatch table, and the only place where the cores meet.

`handle` takes one event and gives back what the driver must do, in order. Cores never see each other: what one of them
asks for is carried out here, if need be by another, before the next event is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from p2preg.base.effects import Connect, Disconnect, Misbehaved, Schedule, Send
from p2preg.base.errors import RemoteProtocolError
from p2preg.base.events import ConnectFailed, Expired, NeighborDown, NeighborUp, PeerDown, PeerUp, Received
from p2preg.base.ids import short
from p2preg.broadcast import effects as spreading
from p2preg.broadcast import events as broadcast_events
from p2preg.broadcast.batch import Page
from p2preg.broadcast.core import BroadcastCore
from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, Cell, registry_key
from p2preg.cells.held import HeldCells
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.dht import effects as dht_effects
from p2preg.dht import events as dht_events
from p2preg.dht.core import DhtCore
from p2preg.dht.distance import routing_id
from p2preg.node.arrivals import Arrivals
from p2preg.node.config import NodeConfig
from p2preg.node.contacts import Contacts, pack_table
from p2preg.node.effects import CloseLink, Dial, Log, Persist
from p2preg.node.events import DialFailed, LinkDown, LinkUp, Shutdown, Stored, Verified
from p2preg.node.holdings import Holdings
from p2preg.node.ledger import Ledger
from p2preg.node.links import Links
from p2preg.node.own_cell import OwnCell
from p2preg.node.publisher import Publisher
from p2preg.node.reading import Reading
from p2preg.node.surroundings import NodeSurroundings, Outside
from p2preg.node.sync import SyncStatus
from p2preg.overlay import events as overlay_events
from p2preg.overlay.core import OverlayCore
from p2preg.reconcile import effects as reconcile_effects
from p2preg.reconcile import events as reconcile_events
from p2preg.reconcile.core import ReconcileCore
from p2preg.registry import effects as registry_effects
from p2preg.registry import events as registry_events
from p2preg.registry.core import RegistryCore
from p2preg.wire import messages

if TYPE_CHECKING:
    from random import Random

TICK_SECONDS = 1.0
TABLE_PERSIST_SECONDS = 60.0
KINDS = (1, 2, 3)
_NEEDED_FIRST = (REGISTRY, LEASE, ADVERT)  # what lacks what it needs waits, and not much can wait

# Which core a message is for; the rest is reconciliation's.
_CORES: dict[type, str] = {
    **dict.fromkeys((messages.FindNode, messages.Nodes), "dht"),
    **dict.fromkeys((messages.Join, messages.ForwardJoin, messages.Neighbor, messages.NeighborReply), "overlay"),
    **dict.fromkeys((messages.DisconnectNeighbor, messages.Shuffle, messages.ShuffleReply), "overlay"),
    **dict.fromkeys((messages.Gossip, messages.IHave, messages.Graft, messages.Prune), "broadcast"),
}


class NodeCore:
    """See the module. `now`: monotonic seconds; `now_ms`: Unix milliseconds."""

    def __init__(
        self,
        key: IdentityKey,
        network: NetworkFile,
        config: NodeConfig,
        outside: Outside,
        rng: Random,
        epoch: int,
        now: float,
        now_ms: int,
        restored: Iterable[Cell] = (),
        reading: Reading | None = None,
    ) -> None:
        """`restored`: the verified cells of the last run. `epoch`: greater than in any run before, and on disk."""
        self.own_id = key.public
        self.now, self.now_ms = now, now_ms  # of the event under way
        self.held = HeldCells(network)
        self._network = network
        self._reading = reading = reading or Reading.of(network)
        self._config = config
        self._epoch = epoch
        self._contacts = Contacts(network, reading)
        self._links = Links(config, now)
        self.ledger = Ledger()
        self._wakes_at = math.inf  # what our timer is set to
        self._persist_at = now + TABLE_PERSIST_SECONDS
        self._stopping = False
        self._out: list[Any] = []
        self.sync = SyncStatus(config.reconcile_interval, rng, now)
        self._had_peers = False
        for cell in sorted(restored, key=lambda cell: _NEEDED_FIRST.index(cell.kind)):
            self.held.offer(cell, now_ms, now, None)
        held_own = self.held.registry(self.own_id)
        own_cell = OwnCell(key, network, config, epoch, held_own.seq if held_own is not None else 0, now_ms)
        self._holdings = Holdings(self, own_cell, self.ledger, epoch)
        self._arrivals = Arrivals(self, reading, self._holdings, epoch)
        self.publisher = Publisher(key, network.network, epoch, config.own_cell_spread, now)
        self.dht = DhtCore(self.own_id, rng, config.dht, self._contacts.read)
        self.overlay = OverlayCore(self.own_id, config.overlay, rng, self._cell_of, config.region or "")
        self.broadcast = BroadcastCore(self.own_id, network.network, config.broadcast, reading.parse_batch)
        self.reconcile = ReconcileCore(self.ledger.digests, rng, config.reconcile, self._raw_of)
        self._handle: dict[str, Callable[[Any, float], list[Any]]] = {
            "dht": self.dht.handle,
            "overlay": self.overlay.handle,
            "broadcast": self.broadcast.handle,
            "reconcile": self.reconcile.handle,
        }
        self.registry = RegistryCore(
            key, network, self.held, config.registry, NodeSurroundings(self, outside), rng, epoch, now, reading.verify
        )

    # --- the door -------------------------------------------------------------------------------------------

    def start(self, anchors: Iterable[bytes], now: float, now_ms: int) -> list[Any]:
        """The first effects. `anchors`: the registry cells of the routing table of the last run."""
        self._out, self.now, self.now_ms = [], now, now_ms
        self._holdings.settle()
        self._holdings.take_own_cell()
        contacts = [contact for contact in map(self._contacts.read, anchors) if contact is not None]
        for contact in contacts:
            self._links.addresses.learn(contact.public_key, contact.endpoint)
        self._had_peers = self._had_peers or bool(contacts)
        self._carry("registry", self.registry.start(now))
        self._to("dht", dht_events.Bootstrap(tuple(contacts)))
        self._tick()
        return self._finish()

    def handle(self, event: object, now: float, now_ms: int) -> list[Any]:
        """React to one event; what the driver must do, in order."""
        self._out, self.now, self.now_ms = [], now, now_ms
        match event:
            case Received():
                self._on_message(event)
            case Expired(timer):
                self._on_expired(timer)
            case Verified(token, verdicts):
                self._arrivals.on_verified(token, verdicts)
            case Stored(token):
                self._holdings.on_stored(token)
            case LinkUp():
                self._on_link_up(event)
            case LinkDown(peer):
                self._on_link_down(peer)
            case DialFailed():
                self._on_dial_failed(event)
            case Shutdown():
                self._on_shutdown()
            case _:
                self.to_registry(event)
        return self._finish()

    def _finish(self) -> list[Any]:
        """What may follow from any event: a batch that is due, a reconciliation, and the timer for the next."""
        if not self._stopping:
            if self.now >= self.sync.next_at:
                self._reconcile_due()
            if self.now >= self.publisher.next_at:
                self._flush()
            next_at = min(self.sync.next_at, self.publisher.next_at)
            if next_at != self._wakes_at:
                self._wakes_at = next_at
                self._out.append(Schedule(next_at, ("node", "due")))
        effects, self._out = self._out, []
        return effects

    # --- carrying out what the cores ask for ------------------------------------------------------------------

    def _carry(self, core: str, effects: Iterable[Any]) -> None:
        for effect in effects:
            match effect:
                case Send() | Schedule():
                    self._out.append(effect)
                case spreading.Deliver(peer, batch):
                    self._arrivals.take_in("batch", peer, batch.cells, batch)
                case registry_effects.Reply() | registry_effects.Fail() | registry_effects.Notify():
                    self._out.append(effect)
                case NeighborUp() | NeighborDown():
                    self.to_broadcast(effect)
                    if isinstance(effect, NeighborUp):
                        self.publisher.hurry(self.now)
                case Connect(peer):
                    self._connect(core, peer)
                case Disconnect(peer):
                    self._links.release(peer)
                case Misbehaved(peer, reason):
                    self.misbehaved(peer, reason)
                case spreading.UnknownOrigin(peer, batch):
                    self._arrivals.take_in_origin(peer, batch)
                case spreading.Gap(origin, _, low, high):
                    self.log("info", "gap", origin=short(origin), low=low, high=high)
                    self.sync.soon(self.now)
                case reconcile_effects.Offer(peer, session, cells):
                    self._arrivals.take_in("offer", peer, cells, session=session)
                case reconcile_effects.SessionEnded(peer, ok, received, pushed, repaired, _):
                    self.sync.ended(peer, ok, received + pushed, repaired, self.now)
                    if received or pushed or not ok:
                        self.log(
                            "info", "reconciled", peer=short(peer), ok=ok, received=received, pushed=pushed,
                            repaired=repaired,
                        )  # fmt: skip
                case overlay_events.Learned(cells, peer):
                    self._arrivals.take_in("learned", peer, cells)
                case dht_effects.Learned(contact):
                    self._holdings.offer((self._reading.parse_cell(contact.cell),), None)
                case dht_effects.LookupDone((int(session), int(call)), result):
                    self.to_registry(registry_events.LookedUp(session, call, self._contacts.found(result)))
                case dht_effects.LookupDone() | spreading.NewEpoch():
                    pass
                case registry_effects.Author(token, cells):
                    self._holdings.store_own(token, cells)
                case registry_effects.PublishPage(kind, subject, body):
                    self.publisher.add_page(Page(kind, subject, body))
                case registry_effects.StartLookup(session, call, target):
                    self._to("dht", dht_events.StartLookup((session, call), routing_id(target)))
                case _:
                    raise AssertionError(f"no rule for {effect!r}")

    def to_registry(self, event: object) -> None:
        self._carry("registry", self.registry.handle(event, self.now, self.now_ms))

    def to_broadcast(self, event: object) -> None:
        self._to("broadcast", event)

    def to_overlay(self, event: object) -> None:
        self._to("overlay", event)

    def to_reconcile(self, event: object) -> None:
        self._to("reconcile", event)

    def _to(self, core: str, event: object) -> None:
        effects = self._handle[core](event, self.now)
        if effects:
            self._carry(core, effects)

    def _tell_cores(self, event: object) -> None:
        """What concerns every core that speaks over links."""
        self._to("dht", event)
        self.to_overlay(event)
        if not isinstance(event, ConnectFailed):
            self.to_reconcile(event)

    def emit(self, effect: object) -> None:
        """Something for the driver to do."""
        self._out.append(effect)

    def know(self, peer: bytes, endpoint: str) -> None:
        """A verified registry cell says where `peer` can be dialled."""
        self._had_peers = True
        self._links.addresses.learn(peer, endpoint)

    def log(self, level: str, event: str, **fields: Any) -> None:
        self._out.append(Log(level, event, fields))

    # --- links ------------------------------------------------------------------------------------------------

    def is_outbound(self, peer: bytes) -> bool | None:
        """Whether we dialled the link to `peer`; None without one."""
        return self._links.is_outbound(peer)

    def check_hello(self, peer: bytes, hello: messages.Hello) -> None:
        """`RemoteProtocolError` unless the cell in `hello` is `peer`'s own, signed, of this network."""
        contact = self._contacts.read(hello.cell)
        if contact is None or contact.public_key != peer:
            raise RemoteProtocolError("a registry cell of this network, signed by the link's own key, was expected")
        if self._links.addresses.is_shunned(peer, self.now):
            raise RemoteProtocolError("this identity broke the protocol: not before a while has passed")

    @property
    def own_cell(self) -> Cell:
        """Our registry cell as it stands."""
        return self._holdings.own_cell.cell

    def hello(self, now_ms: int) -> messages.Hello:
        """Our first message on a new link."""
        return messages.Hello(
            version_min=1,
            version_max=1,
            network=self._network.network,
            software="p2preg",
            epoch=self._epoch,
            time_ms=now_ms,
            cell=self.own_cell.raw,
            kinds=list(KINDS),
        )

    def _on_link_up(self, link: LinkUp) -> None:
        peer = link.peer
        contact = self._contacts.read(link.hello.cell)
        if contact is None or peer == self.own_id:
            self._out.append(CloseLink(peer, "no registry cell of this network"))
            return
        self._links.up(contact, link.outbound, link.address, self.now, link.round_trip)
        self._had_peers = True
        self._holdings.offer((self._reading.parse_cell(link.hello.cell),), peer)
        self._tell_cores(PeerUp(peer, link.outbound, link.round_trip))
        self._to("dht", dht_events.ContactSeen(contact))
        self.sync.peer_up(peer, self.now)

    def _on_link_down(self, peer: bytes) -> None:
        if not self._links.down(peer):
            return
        self.sync.peer_down(peer)
        self._tell_cores(PeerDown(peer))

    def _connect(self, core: str, peer: bytes) -> None:
        """Answered by PeerUp or ConnectFailed in any case."""
        answer = self._links.connect(core, peer, self.now)
        if isinstance(answer, Dial):
            self._out.append(answer)
        elif answer is not None:
            self._to(core, answer)

    def _on_dial_failed(self, failed: DialFailed) -> None:
        for core in self._links.dial_failed(failed.endpoint, failed.expected, failed.reason, self.now):
            assert failed.expected is not None
            self._to(core, ConnectFailed(failed.expected))

    def misbehaved(self, peer: bytes, reason: str) -> None:
        self.log("info", "misbehaved", peer=short(peer), reason=reason)
        self._links.addresses.shun(peer, self.now)
        if peer in self._links:
            self._out.append(CloseLink(peer, reason[:64]))

    # --- messages ---------------------------------------------------------------------------------------------

    def _on_message(self, received: Received) -> None:
        if not self._links.used(received.peer, self.now):
            return
        if core := _CORES.get(type(received.message)):
            self._to(core, received)
        else:
            self.to_reconcile(reconcile_events.Asked(received.peer, received.message, self.now_ms))

    def _on_expired(self, timer: Any) -> None:
        match timer:
            case ("node", "tick"):
                self._tick()
            case ("node", "due"):
                self._wakes_at = math.inf  # `_finish` does the rest
            case ("registry", *_):
                self.to_registry(Expired(timer))
            case (str(core), *_):
                self._to(core, Expired(timer))

    def _tick(self) -> None:
        self._out.append(Schedule(self.now + TICK_SECONDS, ("node", "tick")))
        self.held.tick(self.now_ms, self.now)
        self._holdings.settle()
        if self._holdings.own_cell.renew_at_ms <= self.now_ms:
            self._holdings.renew_own_cell(0)
        self._out += self._links.dials_due(self.now)
        self._out += [CloseLink(peer, "idle") for peer in self._links.idle(self.overlay.neighbours, self.now)]
        if self.now >= self._persist_at:
            self._persist_at = self.now + TABLE_PERSIST_SECONDS
            self._persist_table()

    def _persist_table(self) -> None:
        self._out.append(Persist("routing_table", pack_table(self.dht.snapshot())))

    def _on_shutdown(self) -> None:
        # No DisconnectNeighbor: it would overtake the farewell on the link, and gossip of no neighbour is not taken.
        # The link's own Goodbye, which comes last, parts the neighbours as well.
        for batch in self.publisher.farewell(self.now, self.now_ms):
            self.to_broadcast(broadcast_events.Publish(batch))
        self._persist_table()
        self._stopping = True

    # --- ports that the cores read through --------------------------------------------------------------------------

    def _cell_of(self, registry: bytes) -> bytes | None:
        return self._raw_of(registry_key(registry))

    def _raw_of(self, key: bytes) -> bytes | None:
        cell = self.held.get(key)
        return cell.raw if cell is not None else None

    # --- time -------------------------------------------------------------------------------------------------------

    def _reconcile_due(self) -> None:
        if (peer := self.sync.due(self.now)) is not None:
            self.to_reconcile(reconcile_events.Reconcile(peer, self.now_ms))

    def _flush(self) -> None:
        registries = self.held.statistics().registries
        for batch in self.publisher.take(self.own_cell.raw, registries, self.now, self.now_ms):
            self.to_broadcast(broadcast_events.Publish(batch))

    def synced(self, now: float) -> bool:
        """As docs/architecture.md defines it, Spreading and repair."""
        return self.sync.synced(now, has_peers=self._had_peers or len(self._links.seeds) > 0)
