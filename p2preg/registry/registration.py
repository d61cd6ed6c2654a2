"""Registering, renewing, draining and leaving: the `node.*` writes of docs/rpc.md, and what follows when a socket goes.

Each method returns its result with the cells that must be on disk before the client may see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from p2preg.base.errors import Refused, RemoteProtocolError
from p2preg.cells.cell import LEASE, PROOF_AHEAD_MS, Cell
from p2preg.cells.held import HeldCells
from p2preg.cells.lease import ATTACHED, GONE, LOST, LeaseBody, Proof
from p2preg.cells.network import NetworkFile
from p2preg.registry import params, results
from p2preg.registry.descriptions import REPUBLISH_MS, Descriptions
from p2preg.registry.guests import Guest, Guests
from p2preg.registry.limits import REASON_MAX
from p2preg.registry.requests import invalid_params
from p2preg.registry.sessions import PROOF_AGE_MS_MAX, Gate, Login, Session, stale_proof
from p2preg.registry.states import DRAIN_FROM, RESUME_FROM, SERVING, STATES, STOPPED, check_move, state_on_register


@dataclass(frozen=True, slots=True)
class Written:
    """A result, the cells to store before it is sent, and the session whose claim on the node has ended, if any."""

    result: Any
    cells: tuple[Cell, ...] = ()
    displaced_session: int | None = None


class Registration:
    """The home's rules. Owns the guests; reads the held cells; never writes them."""

    def __init__(
        self,
        guests: Guests,
        held: HeldCells,
        gate: Gate,
        network: NetworkFile,
        registry_id: bytes,
        epoch: int,
    ) -> None:
        self.guests = guests
        self._held = held
        self._gate = gate
        self._network = network
        self._own = registry_id
        self._descriptions = Descriptions(guests, held, network, registry_id, gate.verify)
        self._epoch = epoch

    # --- writes ---------------------------------------------------------------------------------------------

    def register(self, session: Session, request: params.Register, now_ms: int) -> Written:
        node_id = self.node_of(session, request.node_id)
        proof = session.proofs[node_id]
        self._check_age(proof, now_ms)
        if (request.advert is None) == (request.attributes is None):
            raise invalid_params("$", "one of advert and attributes is needed, and not both")
        self._check_place()
        self._check_claim(session, node_id, proof)
        described = (
            self._descriptions.take_attributes(node_id, request.attributes, now_ms)
            if request.attributes is not None
            else self._descriptions.take_advert(node_id, request.advert or "", now_ms)
        )
        standing = self._standing(node_id)
        state = state_on_register(standing.state if standing else None, request.state)
        before = self.guests.get(node_id)
        left = before.session if before is not None and before.session != session.number else None
        guest = self.guests.attach(node_id, session.number, proof, standing, now_ms)
        if guest.state != state:
            self.guests.declare(guest, state, None, None, ())
        lease = self.guests.lease(guest, now_ms)
        result = results.Registered(
            node_id=node_id.hex(),
            outcome=described.outcome,  # type: ignore[arg-type]  # one of the three by construction
            state=state,
            lease=_lease_result(guest, now_ms),
            advert_expires_ms=described.expires_ms,
            registry_id=self._own.hex(),
            epoch=self._epoch,
            observed_address=session.address,
            warnings=list(described.warnings),
        )
        cells = (lease, described.cell) if described.cell is not None else (lease,)
        return Written(result, cells, left)

    def renew(self, session: Session, request: params.Renew, now_ms: int) -> Written:
        node_id = self.node_of(session, request.node_id)
        last = session.proofs[node_id]
        login = Login("node", node_id, last.authority, request.seq, bytes.fromhex(request.signature))
        proof = self._gate.prove(session, login, now_ms)
        self._check_age(proof, now_ms)
        self._check_place()
        greatest = self.greatest_proof_seq(node_id)
        # The login itself is a proof: it may be renewed with once, at a registry that is not the home yet.
        if proof.seq <= greatest or proof.seq < last.seq:
            raise stale_proof(proof.seq, max(greatest, last.seq - 1))
        standing = self._standing(node_id)
        advert = self._held.advert(node_id, node_id) or self._held.advert(node_id, self._own)
        if standing is None or advert is None or standing.state == STOPPED:
            raise Refused(
                -32002, "node.unknown", "no description of this node stands here: register again with node.register"
            )
        session.proofs[node_id] = proof
        session.displaced.pop(node_id, None)
        before = self.guests.get(node_id)
        left = before.session if before is not None and before.session != session.number else None
        guest = self.guests.attach(node_id, session.number, proof, standing, now_ms)
        result = results.Renewed(
            lease=_lease_result(guest, now_ms),
            advert_expires_ms=advert.end_ms,
            registry_id=self._own.hex(),
            epoch=self._epoch,
        )
        return Written(result, (self.guests.lease(guest, now_ms),), left)

    def drain(self, session: Session, request: params.Drain, now_ms: int) -> Written:
        guest = self.guest_of(session, request.node_id)
        self._check_writable(guest, now_ms)
        check_move(guest.state, request.level, DRAIN_FROM[request.level])
        successors = tuple(bytes.fromhex(successor) for successor in request.successors)
        self.guests.declare(guest, request.level, request.deadline_ms, request.reason, successors)
        return self._declared(guest, now_ms)

    def resume(self, session: Session, request: params.NodeParams, now_ms: int) -> Written:
        guest = self.guest_of(session, request.node_id)
        self._check_writable(guest, now_ms)
        check_move(guest.state, SERVING, RESUME_FROM)
        self.guests.declare(guest, SERVING, None, None, ())
        return self._declared(guest, now_ms)

    def leave(self, session: Session, request: params.Leave, now_ms: int) -> Written:
        guest = self.guest_of(session, request.node_id)
        self._check_writable(guest, now_ms)
        self.guests.leave(guest, request.reason)
        written = self._declared(guest, now_ms)
        self.guests.forget(guest.node_id)
        return written

    def _check_writable(self, guest: Guest, now_ms: int) -> None:
        """Before anything changes: a lease written now must be valid."""
        if not self.guests.can_write(guest, now_ms):
            raise stale_proof(guest.proof.seq, guest.proof.seq)

    def _declared(self, guest: Guest, now_ms: int) -> Written:
        return Written(results.State(state=guest.state), (self.guests.lease(guest, now_ms),))

    # --- what sockets and time do -----------------------------------------------------------------------------

    def lose(self, guest: Guest, now_ms: int, *, closed: bool) -> Cell | None:
        """The guest's socket closed or fell silent: suspect everywhere at once. None when there is nothing to say."""
        if closed:
            guest.session = None
        if guest.contact == GONE:
            self.guests.forget(guest.node_id)
            return None
        return self._mark(guest, LOST, now_ms)

    def heard_again(self, guest: Guest, now_ms: int) -> Cell | None:
        """A silent socket answers: attached again, by the proof that still holds."""
        return self._mark(guest, ATTACHED, now_ms)

    def end(self, guest: Guest, now_ms: int) -> Cell | None:
        """The grace is over: gone. A guest whose socket is closed is forgotten."""
        cell = self._mark(guest, GONE, now_ms)
        if guest.session is None:
            self.guests.forget(guest.node_id)
        return cell

    def _mark(self, guest: Guest, contact: int, now_ms: int) -> Cell | None:
        if guest.contact == contact or not self.guests.can_write(guest, now_ms) or self.outranked(guest):
            return None
        guest.contact = contact
        return self.guests.lease(guest, now_ms)

    def leftovers(self, now_ms: int) -> list[Cell]:
        """`gone` for each lease of an earlier epoch of ours whose node did not attach again (60 s after a start)."""
        nodes = dict.fromkeys(held.subject for held in self._held.leases_by(self._own))
        cells = [self.leftover(node_id, now_ms) for node_id in nodes]
        return [cell for cell in cells if cell is not None]

    def leftover(self, node_id: bytes, now_ms: int) -> Cell | None:
        """`gone` for a node whose current lease is ours and of an earlier epoch; None for any other."""
        if self.guests.get(node_id) is not None or not self._held.leases_at(node_id, self._own):
            return None
        held = self._held.current_lease(node_id)
        if held is None or held.writer != self._own:
            return None
        lease = read_lease(held)
        if lease is None or lease.epoch >= self._epoch or lease.contact == GONE:
            return None
        return self.end(self.guests.adopt(lease, node_id), now_ms)

    def refreshed_adverts(self, now_ms: int) -> list[Cell]:
        """Our own adverts of attached nodes that are in the last half of their life, signed again."""
        cells = []
        for guest in self.guests:
            held = self._held.advert(guest.node_id, self._own)
            if held is not None and guest.session is not None and held.end_ms - now_ms < REPUBLISH_MS:
                cells.append(self.guests.advert(guest.node_id, held.body, now_ms))
        return cells

    def note_leases(self, node_id: bytes) -> None:
        """Keep the slots of our own held leases of a node from being given to another."""
        for lease in self._held.leases_at(node_id, self._own):
            self.guests.note(lease)

    def outranked(self, guest: Guest) -> bool:
        """Whether the node has proven its presence elsewhere since."""
        greatest = self._greatest_lease(guest.node_id)
        return (
            greatest is not None
            and greatest.writer != self._own
            and (_proof_seq(greatest), greatest.writer) > (guest.proof.seq, self._own)
        )

    # --- who may write ------------------------------------------------------------------------------------------

    def node_of(self, session: Session, node_id: str | None) -> bytes:
        """The key for which the session speaks in this call."""
        if node_id is not None:
            key = bytes.fromhex(node_id)
            if key not in session.proofs:
                raise Refused(-32001, "auth.wrong_key", f"this session has not authenticated {node_id} as a node")
            return key
        if len(session.proofs) != 1:
            raise invalid_params(
                "$.node_id", f"node_id is needed: this session has authenticated {len(session.proofs)} nodes"
            )
        return next(iter(session.proofs))

    def guest_of(self, session: Session, node_id: str | None) -> Guest:
        """The registered node for which the session speaks."""
        key = self.node_of(session, node_id)
        guest = self.guests.get(key)
        if guest is not None and guest.session == session.number and not self.outranked(guest):
            return guest
        if key in session.displaced or guest is not None:
            raise _displaced()
        raise Refused(-32002, "node.unknown", "this node is not registered in this session: call node.register")

    def _check_place(self) -> None:
        """A home that is not held gives leases that nobody holds."""
        if self._held.registry(self._own) is None:
            raise Refused(
                -32006, "registry.overloaded", "this registry has no place in the network at present: try another"
            )

    def _check_age(self, proof: Proof, now_ms: int) -> None:
        """The proof must make a valid lease now, also when this registry's clock was set since it was given."""
        oldest = now_ms - min(PROOF_AGE_MS_MAX, self._network.lives[LEASE] // 2)
        if proof.seq < oldest:
            raise stale_proof(proof.seq, oldest)
        if proof.seq > now_ms + PROOF_AHEAD_MS:
            text = f"the proof's seq {proof.seq} is over 60 s ahead of this registry's time {now_ms}"
            raise Refused(-32001, "auth.clock", text, time_ms=now_ms)

    def _check_claim(self, session: Session, node_id: bytes, proof: Proof) -> None:
        guest = self.guests.get(node_id)
        greatest = self._greatest_lease(node_id)
        beaten_here = guest is not None and guest.proof.seq > proof.seq
        beaten_elsewhere = greatest is not None and (_proof_seq(greatest), greatest.writer) > (proof.seq, self._own)
        if beaten_here or beaten_elsewhere:
            raise _displaced()

    def greatest_proof_seq(self, node_id: bytes) -> int:
        """The seq of the newest proof in any held lease of the node; 0 without one."""
        greatest = self._greatest_lease(node_id)
        guest = self.guests.get(node_id)
        return max(_proof_seq(greatest) if greatest else 0, guest.proof.seq if guest else 0)

    def _greatest_lease(self, node_id: bytes) -> Cell | None:
        leases = self._held.leases_of(node_id)
        return max(leases, key=lambda cell: (_proof_seq(cell), cell.writer), default=None)

    def _standing(self, node_id: bytes) -> LeaseBody | None:
        """The state that stands: what the guest declared last, or else the current lease anywhere."""
        guest = self.guests.get(node_id)
        current = self._held.current_lease(node_id) or self._greatest_lease(node_id)
        lease = _repeatable(read_lease(current))
        if guest is None or (lease is not None and lease.proof.seq > guest.proof.seq):
            return lease
        return LeaseBody(
            slot=guest.slot,
            contact=guest.contact,
            state=guest.state,
            deadline_ms=guest.deadline_ms,
            reason=guest.reason,
            successors=guest.successors,
            epoch=self._epoch,
            proof=guest.proof,
        )


def _lease_result(guest: Guest, now_ms: int) -> results.Lease:
    left_s = (guest.lease_end_ms - now_ms) / 1000
    return results.Lease(expires_ms=guest.lease_end_ms, renew_after_s=max(1.0, round(left_s / 3, 3)))


def _proof_seq(lease: Cell) -> int:
    return lease.proof.seq if lease.proof is not None else 0


def read_lease(cell: Cell | None) -> LeaseBody | None:
    """What a lease says; None when it cannot be read: it is relayed all the same, but shows nothing here."""
    if cell is None:
        return None
    try:
        return LeaseBody.from_map(cell.body, cell.proof)
    except RemoteProtocolError:
        return None


def _repeatable(lease: LeaseBody | None) -> LeaseBody | None:
    """What of another home's word this one can carry over: it is of any length, and our lease has to fit a cell."""
    if lease is None or lease.state not in STATES:
        return None
    return lease if lease.reason is None else replace(lease, reason=lease.reason[:REASON_MAX])


def _displaced() -> Refused:
    return Refused(
        -32002,
        "node.displaced",
        "the node has given a newer proof of presence elsewhere: authenticate again with a greater seq",
    )
