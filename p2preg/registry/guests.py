"""The home's side of a Media Node: its slot, its proof of presence, its declared state, and the lease that says so.

A lease is written again only when the socket's state, the declared state or the proof changes: a healthy node costs
the network one lease per ten minutes and its crash costs nothing until it happens (docs/architecture.md, Liveness)."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from p2preg.base.bounded import BoundedDict
from p2preg.base.errors import Refused
from p2preg.cells.cell import ADVERT, LEASE, Cell, lease_key, sign_cell
from p2preg.cells.deadlines import Deadlines
from p2preg.cells.held import HeldCells
from p2preg.cells.lease import ATTACHED, GONE, LeaseBody, Proof
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.registry.limits import GUESTS_MAX
from p2preg.registry.states import STOPPED

SUPERSEDED_MAX = 1_024  # ends that renewals have moved, kept before they are swept out
PROVE_AGAIN_SHARE = 0.4  # of a lease's life: with less left the node is reminded to prove its presence


@dataclass(slots=True)
class Guest:
    """A Media Node whose home is this registry. `session` is None once its socket is gone. `life_ms`: a lease's."""

    node_id: bytes
    slot: int
    session: int | None
    proof: Proof
    life_ms: int
    state: str
    contact: int = ATTACHED
    deadline_ms: int | None = None
    reason: str | None = None
    successors: tuple[bytes, ...] = ()
    load: dict[str, int] | None = None

    @property
    def lease_end_ms(self) -> int:
        return self.proof.seq + self.life_ms

    @property
    def proof_is_old_ms(self) -> int:
        """When it is time for a new proof, and to say so if none comes."""
        return self.lease_end_ms - int(PROVE_AGAIN_SHARE * self.life_ms) + 1


@dataclass(slots=True)
class Slots:
    """Which slot is whose. A slot is given to another node only when the lease in it has ended."""

    limit: int
    _of: dict[bytes, int] = field(default_factory=dict)
    _end_ms: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _ends: list[tuple[int, int]] = field(default_factory=list)
    _next: int = 0

    def take(self, node_id: bytes, now_ms: int) -> int:
        """The node's slot: the one it has, one whose lease has ended, or a fresh one; `limit.quota` when all hold."""
        if node_id in self._of:
            return self._of[node_id]
        while self._ends and self._ends[0][0] <= now_ms:
            end_ms, slot = heapq.heappop(self._ends)
            if self._end_ms[slot][0] == end_ms:
                self._of.pop(self._end_ms[slot][1], None)
                return slot
        if self._next >= self.limit:
            raise Refused(-32005, "limit.quota", f"all {self.limit} slots of this registry are taken: try another")
        self._next += 1
        return self._next - 1

    def occupy(self, slot: int, node_id: bytes, end_ms: int) -> None:
        """The slot's lease is now this node's, until `end_ms`."""
        self._of[node_id] = slot
        self._end_ms[slot] = (end_ms, node_id)
        heapq.heappush(self._ends, (end_ms, slot))
        if len(self._ends) > 2 * len(self._end_ms) + SUPERSEDED_MAX:
            self._ends = [(ends, of) for of, (ends, _) in self._end_ms.items()]
            heapq.heapify(self._ends)
        self._next = max(self._next, slot + 1)


class Guests:
    """All nodes at home here. Bounded by the network's slots."""

    def __init__(self, key: IdentityKey, network: NetworkFile, held: HeldCells, epoch: int) -> None:
        self._key = key
        self._network = network
        self._held = held
        self._epoch = epoch
        self._guests: dict[bytes, Guest] = {}
        self._looks = Deadlines()  # when to look at a guest's proof
        self._life_ms = network.lives[LEASE]
        self._slots = Slots(min(network.slots, GUESTS_MAX))
        self._last_seq: BoundedDict[bytes, int] = BoundedDict(2 * GUESTS_MAX)
        for cell in held.leases_by(key.public):
            self.note(cell)

    def __len__(self) -> int:
        return len(self._guests)

    def note(self, lease: Cell) -> None:
        """A lease of ours is held. It may be news, when our disk was lost: then its slot is not free."""
        self._slots.occupy(lease.slot, lease.subject, lease.end_ms)

    def __iter__(self) -> Iterator[Guest]:
        return iter(list(self._guests.values()))

    def get(self, node_id: bytes) -> Guest | None:
        return self._guests.get(node_id)

    def attach(self, node_id: bytes, session: int, proof: Proof, standing: LeaseBody | None, now_ms: int) -> Guest:
        """Make this registry the node's home, or renew that. `standing`: the node's current lease, whose declared
        state and successors are carried over."""
        guest = self._guests.get(node_id)
        if guest is None or guest.lease_end_ms <= now_ms:  # then its slot may be another's by now
            slot = self._slots.take(node_id, now_ms)
            guest = Guest(node_id, slot, session, proof, self._life_ms, standing.state if standing else "")
            if standing is not None:
                guest.deadline_ms = standing.deadline_ms
                guest.reason = standing.reason
                guest.successors = tuple(standing.successors)
            self._guests[node_id] = guest
        guest.session = session
        guest.proof = proof
        guest.contact = ATTACHED
        self._looks.set(node_id, guest.proof_is_old_ms)
        return guest

    def adopt(self, lease: LeaseBody, node_id: bytes) -> Guest:
        """A guest of an earlier epoch that did not come back, so that its lease can be ended."""
        guest = Guest(
            node_id, lease.slot, None, lease.proof, self._life_ms, lease.state, lease.contact, lease.deadline_ms,
            lease.reason, tuple(lease.successors),
        )  # fmt: skip
        self._guests[node_id] = guest
        self._looks.set(node_id, guest.lease_end_ms)
        return guest

    def forget(self, node_id: bytes) -> None:
        """No longer at home here; its slot stays occupied until its lease ends."""
        self._guests.pop(node_id, None)
        self._looks.pop(node_id)

    def unproven(self, now_ms: int) -> list[Guest]:
        """Attached guests whose lease will end soon, each once for a proof; and forget those it has ended."""
        due = []
        for node_id in self._looks.pop_due(now_ms):
            guest = self._guests[node_id]
            if guest.lease_end_ms <= now_ms:
                self.forget(node_id)
                continue
            self._looks.set(node_id, guest.lease_end_ms)
            if guest.session is not None:
                due.append(guest)
        return due

    def declare(
        self, guest: Guest, state: str, deadline_ms: int | None, reason: str | None, successors: tuple[bytes, ...]
    ) -> None:
        """The state that the node declared, with all that belongs to it."""
        guest.state = state
        guest.deadline_ms = deadline_ms
        guest.reason = reason
        guest.successors = successors

    def leave(self, guest: Guest, reason: str | None) -> None:
        """The node says that it is gone."""
        self.declare(guest, STOPPED, None, reason, ())
        guest.contact = GONE

    def lease(self, guest: Guest, now_ms: int) -> Cell:
        """The guest's lease as it should now stand, signed. Call only while the proof still makes one valid."""
        body = LeaseBody(
            slot=guest.slot,
            contact=guest.contact,
            state=guest.state,
            deadline_ms=guest.deadline_ms,
            reason=guest.reason,
            successors=guest.successors,
            epoch=self._epoch,
            proof=guest.proof,
        )
        seq = self._lease_seq(guest.slot, now_ms)
        self._last_seq.set(guest.slot.to_bytes(8), seq)
        cell = sign_cell(self._key, self._network, guest.node_id, LEASE, seq, body.to_map())
        self._slots.occupy(guest.slot, guest.node_id, cell.end_ms)
        return cell

    def can_write(self, guest: Guest, now_ms: int) -> bool:
        """Whether a lease written now would be valid: the proof must be younger than its life. When the clock was set
        back, the seq is that of the slot's last lease and one."""
        return self._lease_seq(guest.slot, now_ms) < guest.lease_end_ms

    def advert(self, node_id: bytes, body: Mapping[str, object], now_ms: int) -> Cell:
        """An advert that this home signs for a node that gave plain attributes."""
        held = self._held.advert(node_id, self._key.public)
        seq = self._next_seq(node_id, held, now_ms)
        self._last_seq.set(node_id, seq)
        return sign_cell(self._key, self._network, node_id, ADVERT, seq, body)

    def _lease_seq(self, slot: int, now_ms: int) -> int:
        return self._next_seq(slot.to_bytes(8), self._held.get(lease_key(self._key.public, slot)), now_ms)

    def _next_seq(self, key: bytes, held: Cell | None, now_ms: int) -> int:
        """Greater than every one before, also than those still on their way to the disk."""
        return max((self._last_seq.get(key) or 0) + 1, held.seq + 1 if held else 0, now_ms)
