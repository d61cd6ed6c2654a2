"""A network of overlay and broadcast cores in virtual time.

Links behave as TCP does: dialling takes three latencies, messages keep their order, a process that ends is noticed by
its peers one latency later, a machine that loses its power only by the keep-alive. What is left out is the rest of a
registry: nothing is stored, and no registry cell is signed. Batches are, and each is verified once for all."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from p2preg.base.effects import Connect, Disconnect, Misbehaved, Schedule, Send
from p2preg.base.events import Expired, NeighborDown, NeighborUp, Received
from p2preg.broadcast.batch import Batch, parse_batch, sign_batch
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.core import BroadcastCore
from p2preg.broadcast.effects import Deliver
from p2preg.broadcast.events import Accepted, OriginHeld, Publish, Refused
from p2preg.crypto.keys import IdentityKey
from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.core import OverlayCore
from p2preg.overlay.events import Learned, Member
from p2preg.sim.clock import START_MS, Agenda
from p2preg.sim.mesh.links import Links
from p2preg.sim.mesh.peer import MeshLink, MeshPeer
from p2preg.sim.mesh.spread import Spread
from p2preg.sim.verifier import RememberingVerifier
from p2preg.wire.messages import Gossip, Graft, IHave, Prune

NETWORK = "mesh-0000000000000000"
SILENCE_SECONDS = (10.0, 15.0)  # until a keep-alive notices that a machine is gone
_BROADCAST = dict.fromkeys((Gossip, IHave, Graft, Prune))
_NOTE = struct.Struct("<dHHB")
_KINDS: dict[type, int] = {kind: number for number, kind in enumerate((Gossip, IHave, Graft, Prune), 1)}

Latency = Callable[[int, int], float]
MakeBroadcast = Callable[[bytes, BroadcastConfig], BroadcastCore]


def uniform_latency(seed: int, low: float = 0.010, high: float = 0.100) -> Latency:
    """Seconds one way, drawn once for each pair."""

    def latency(a: int, b: int) -> float:
        return Random(f"{seed} {min(a, b)} {max(a, b)}").uniform(low, high)

    return latency


class Mesh:
    """`latency`: seconds one way between two numbers, asked once per link; each message takes up to `jitter`, a share
    of it, longer. `region_of`: where the operator of that number says it is. `loss`: the share of the broadcast's
    messages that is dropped. The same arguments and calls give the same `digest()`."""

    def __init__(
        self,
        seed: int,
        count: int,
        *,
        latency: Latency | None = None,
        jitter: float = 0.0,
        region_of: Callable[[int], str] = lambda number: "",
        overlay: OverlayConfig | None = None,
        broadcast: BroadcastConfig | None = None,
        make_broadcast: MakeBroadcast | None = None,
        loss: float = 0.0,
    ) -> None:
        self.agenda = Agenda()
        self.rng = Random(f"{seed} mesh")
        self.loss = loss
        self.events = 0
        self.links_changed = 0  # gained or lost, by one end each
        self.sent: dict[type, int] = {}
        self.spreads: list[Spread] = []
        self._seed = seed
        self._links = Links(self.agenda, latency or uniform_latency(seed), self._tell_overlay, self._member)
        self._jitter = jitter
        self._region_of = region_of
        self._overlay_config = overlay or OverlayConfig()
        self._broadcast_config = broadcast or BroadcastConfig()
        self._make_broadcast = make_broadcast or self._per_origin_trees
        self._verify = RememberingVerifier()
        self._batches: dict[bytes, Batch] = {}
        self._watched: dict[bytes, Spread] = {}
        self._verdicts: dict[bytes, bool] = {}
        self._hash = hashlib.blake2b(digest_size=16)
        self._notes = bytearray()
        self.peers = [self._make_peer(number) for number in range(count)]
        self._by_id = {peer.id: peer for peer in self.peers}
        self._by_cell = {peer.cell: peer for peer in self.peers}

    def _make_peer(self, number: int) -> MeshPeer:
        key = IdentityKey(hashlib.sha256(f"{self._seed} {number}".encode()).digest())
        rng = Random(f"{self._seed} peer {number}")
        overlay = OverlayCore(key.public, self._overlay_config, rng, _cell_of, self._region_of(number))
        broadcast = self._make_broadcast(key.public, self._broadcast_config)
        return MeshPeer(number, key, key.public, _cell_of(key.public), broadcast, overlay)

    def _per_origin_trees(self, own_id: bytes, config: BroadcastConfig) -> BroadcastCore:
        return BroadcastCore(own_id, NETWORK, config, self.parse)

    def parse(self, raw: bytes, network: str) -> Batch:
        """Open a batch, once for all who get it."""
        batch = self._batches.get(raw)
        if batch is None:
            batch = self._batches[raw] = parse_batch(raw, network)
        return batch

    @property
    def now(self) -> float:
        return self.agenda.now

    @property
    def alive(self) -> list[MeshPeer]:
        return [peer for peer in self.peers if peer.is_alive]

    def digest(self) -> str:
        """The hash of all that happened so far: when, to whom, from whom, what kind of message."""
        self._hash.update(self._notes)
        self._notes.clear()
        return self._hash.copy().hexdigest()

    # --- how it comes together ------------------------------------------------------------------------------

    def introduce(self, *, apart: float = 0.0) -> None:
        """Everybody learns of everybody, of a random one first, as by replicated registry cells; newcomers come `apart`
        seconds apart."""
        members = [(peer, self._member(peer)) for peer in self.peers]
        for peer in self.peers:
            self.run(apart)
            first = self.rng.randrange(len(members))
            for other, member in (*members[first:], *members[:first]):
                if other is not peer:
                    self._tell_overlay(peer, member)

    def join(self, *, apart: float = 0.0) -> None:
        """One after the other joins at one who is in already; nobody knows more than the walks and shuffles tell."""
        for number, peer in enumerate(self.peers[1:], 1):
            contact = self.peers[self.rng.randrange(number)]
            if not contact.overlay.neighbours:  # it is still on its way in
                contact = self.peers[0]
            self._tell_overlay(peer, self._member(contact))
            self.run(apart)

    def close_ring(self) -> None:
        """Everybody learns of its two sides on the ring, as from replicated registry cells."""
        ring = sorted(self.peers, key=lambda peer: peer.id)
        for at, peer in enumerate(ring):
            for side in (ring[at - 1], ring[(at + 1) % len(ring)]):
                self._tell_overlay(peer, self._member(side))

    def hold_origins(self, origins: Iterable[MeshPeer]) -> None:
        """Everybody holds these registries: their batches are relayed."""
        for origin in origins:
            for peer in self.peers:
                self._tell_broadcast(peer, OriginHeld(origin.id))

    def _member(self, peer: MeshPeer) -> Member:
        return Member(peer.id, _prefix(peer), self._region_of(peer.number))

    def spread_anew(self, make_broadcast: MakeBroadcast | None = None) -> None:
        """Everybody forgets all trees and goes on with the cores that `make_broadcast` makes, on the same overlay."""
        self._make_broadcast = make_broadcast or self._per_origin_trees
        for peer in self.peers:
            peer.broadcast = self._make_broadcast(peer.id, self._broadcast_config)
            for neighbour in peer.overlay.neighbours:
                self._tell_broadcast(peer, NeighborUp(neighbour))

    # --- what happens ---------------------------------------------------------------------------------------

    def publish(self, origin: MeshPeer, *, watch: bool = True) -> Spread | None:
        """`origin` signs and publishes a batch; with `watch`, what becomes of it is recorded in `spreads`."""
        origin.counter += 1
        batch = sign_batch(
            origin.key,
            network=NETWORK,
            epoch=1,
            counter=origin.counter,
            issued_ms=START_MS + int(self.now * 1000),
            uptime_ms=int(self.now * 1000),
            interval_ms=5_000,
        )
        spread = None
        if watch:
            spread = Spread(origin.number, self.now, {origin.number: 0.0}, {origin.number: 0})
            self._watched[batch.raw] = spread
            self.spreads.append(spread)
        self._tell_broadcast(origin, Publish(batch))
        return spread

    def publish_after(self, seconds: float, origin: MeshPeer) -> None:
        """The same, later."""

        def publish() -> None:
            self.publish(origin)

        self.agenda.after(seconds, publish)

    def heartbeats(self, interval: float, until: float) -> None:
        """Each registry publishes a batch every `interval` seconds, beginning at a moment of its own."""
        for peer in self.peers:
            self.agenda.after(self.rng.uniform(0, interval), self._beat, peer, interval, until)

    def _beat(self, peer: MeshPeer, interval: float, until: float) -> None:
        if self.now < until and peer.is_alive:
            self.publish(peer, watch=False)
            self.agenda.after(interval, self._beat, peer, interval, until)

    def crash(self, peers: Iterable[MeshPeer], *, silent: bool = False) -> None:
        """Processes end at once, and their kernels tell the peers; `silent`: the machines lose their power."""
        gone = list(peers)
        for peer in gone:
            peer.is_alive, peer.is_silent = False, silent
        for peer in gone:
            for link in list(peer.links.values()):
                after = self.rng.uniform(*SILENCE_SECONDS) if silent else link.latency
                self.agenda.after(after, self._links.end, link)
            peer.links.clear()

    # --- time -----------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self.agenda.run(self.agenda.now + seconds)

    def check(self) -> None:
        """Every invariant of every core; an `AssertionError` says which broke."""
        for peer in self.alive:
            peer.overlay.check_invariants()
            peer.broadcast.check_invariants()

    # --- the machinery --------------------------------------------------------------------------------------

    def _note(self, peer: MeshPeer, other: int, kind: int) -> None:
        self.events += 1
        self._notes += _NOTE.pack(self.agenda.now, peer.number, other, kind)
        if len(self._notes) > 65_536:
            self._hash.update(self._notes)
            self._notes.clear()

    def _tell_overlay(self, peer: MeshPeer, event: object) -> None:
        for effect in peer.overlay.handle(event, self.agenda.now):
            self._carry_out(peer, effect)

    def _tell_broadcast(self, peer: MeshPeer, event: object) -> None:
        for effect in peer.broadcast.handle(event, self.agenda.now):
            self._carry_out(peer, effect)

    def _carry_out(self, peer: MeshPeer, effect: Any) -> None:
        match effect:
            case Send(to, message):
                self._send(peer, to, message)
            case Schedule(at, timer):
                self._schedule(peer, at, timer)
            case Deliver(sender, batch):
                self._judge(peer, sender, batch)
            case NeighborUp() | NeighborDown():
                self.links_changed += 1
                self._tell_broadcast(peer, effect)
            case Connect(to):
                self._links.connect(peer, self._by_id[to])
            case Disconnect(to):
                self._links.release(peer, to)
            case Learned(cells, _):
                for cell in cells:
                    if (other := self._by_cell[cell]) is not peer:
                        self._tell_overlay(peer, self._member(other))
            case Misbehaved():
                raise AssertionError(f"an honest registry was accused: {effect}")

    def _judge(self, peer: MeshPeer, sender: bytes, batch: Batch) -> None:
        verdict = self._verdicts.get(batch.batch_id)
        if verdict is None:
            verdict = self._verdicts[batch.batch_id] = self._verify(batch.check)
        spread = self._watched.get(batch.raw)
        if spread is not None:
            assert peer.number not in spread.reached, "a batch was delivered twice"
            spread.reached[peer.number] = self.agenda.now - spread.sent_at
            spread.hops[peer.number] = spread.hops[self._by_id[sender].number] + 1
        self._tell_broadcast(peer, Accepted(batch) if verdict else Refused(batch.batch_id))

    # --- timers ---------------------------------------------------------------------------------------------

    def _schedule(self, peer: MeshPeer, at: float, timer: tuple[object, ...]) -> None:
        peer.timers.set(timer, at)
        if at < peer.wakes_at:
            peer.wakes_at = at
            self.agenda.at(at, self._wake, peer, at)

    def _wake(self, peer: MeshPeer, at: float) -> None:
        if at != peer.wakes_at or not peer.is_alive:
            return
        for timer in peer.timers.pop_due(self.agenda.now):
            self._note(peer, peer.number, 0)
            assert isinstance(timer, tuple)
            tell = self._tell_overlay if timer[0] == "overlay" else self._tell_broadcast
            tell(peer, Expired(timer))
        peer.wakes_at = peer.timers.next_deadline()
        if peer.timers:
            self.agenda.at(peer.wakes_at, self._wake, peer, peer.wakes_at)

    # --- messages -------------------------------------------------------------------------------------------

    def _send(self, peer: MeshPeer, to: bytes, message: object) -> None:
        link = peer.links.get(to)
        if link is None:
            return
        kind = type(message)
        self.sent[kind] = self.sent.get(kind, 0) + 1
        if self.loss and kind in _BROADCAST and self.rng.random() < self.loss:
            return
        receiver = link.answerer if peer is link.dialler else link.dialler
        at = self.agenda.now + link.latency
        if self._jitter:
            at += link.latency * self.rng.uniform(0, self._jitter)
            at = link.free_at[receiver.number] = max(at, link.free_at.get(receiver.number, 0.0))
        self.agenda.at(at, self._arrive, link, peer, receiver, message, kind)

    def _arrive(self, link: MeshLink, sender: MeshPeer, receiver: MeshPeer, message: object, kind: type) -> None:
        if not receiver.is_alive or receiver.links.get(sender.id) is not link:
            return
        self._note(receiver, sender.number, _KINDS.get(kind, 5))
        if kind in _BROADCAST:
            if type(message) is Gossip and (spread := self._watched.get(message.batch)) is not None:
                spread.copies += 1
            self._tell_broadcast(receiver, Received(sender.id, message))
        else:
            self._tell_overlay(receiver, Received(sender.id, message))


def _cell_of(peer_id: bytes) -> bytes:
    """Stands for a registry cell: whom it is of can be read, and nothing else matters here."""
    return peer_id + b" cell"


def _prefix(peer: MeshPeer) -> str:
    return f"10.{peer.number >> 8}.{peer.number & 255}"
