"""Slots and the guests in them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.errors import Refused
from p2preg.cells.cell import LEASE, REGISTRY, Cell, sign_cell
from p2preg.cells.held import HeldCells
from p2preg.cells.lease import ATTACHED, GONE, LOST, LeaseBody, Proof
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.registry.guests import PROVE_AGAIN_SHARE, SUPERSEDED_MAX, Guests, Slots

T = 1_800_000_000_000
LIFE = 30 * 60_000
NETWORK = NetworkFile("guests", slots=3)
HOME, ALICE, BOB, CAROL = (IdentityKey(bytes([number]) * 32) for number in range(4))


def proof(node: IdentityKey, seq: int = T) -> Proof:
    unsigned = Proof("registry.example:8443", bytes(32), seq, bytes(64))
    signature = node.sign(unsigned.message(NETWORK.network, HOME.public))
    return Proof(unsigned.authority, unsigned.nonce, seq, signature)


def home(*cells: Cell, now_ms: int = T) -> tuple[Guests, HeldCells]:
    held = HeldCells(NETWORK)
    own = sign_cell(HOME, NETWORK, HOME.public, REGISTRY, T, {"endpoints": ["h:1"]})
    for cell in (own, *cells):
        held.offer(cell, now_ms, 0.0, None)
    return Guests(HOME, NETWORK, held, epoch=7), held


def attach(guests: Guests, node: IdentityKey, seq: int = T, now_ms: int = T, session: int = 1) -> Cell:
    """Attached, and its lease."""
    guest = guests.attach(node.public, session, proof(node, seq), None, now_ms)
    guests.declare(guest, "serving", None, None, ())
    return guests.lease(guest, now_ms)


# --- slots ----------------------------------------------------------------------------------------------------


def test_slots_are_given_in_order_and_a_node_keeps_its_own() -> None:
    slots = Slots(2)
    first = slots.take(b"a", T)
    slots.occupy(first, b"a", T + 100)
    second = slots.take(b"b", T)
    slots.occupy(second, b"b", T + 200)
    assert (first, second, slots.take(b"a", T)) == (0, 1, 0)
    with pytest.raises(Refused, match="all 2 slots"):
        slots.take(b"c", T + 99)
    assert slots.take(b"c", T + 100) == 0


def test_a_slot_whose_lease_was_renewed_is_not_given_away_at_its_first_end() -> None:
    slots = Slots(1)
    slots.occupy(slots.take(b"a", T), b"a", T + 100)
    slots.occupy(0, b"a", T + 300)
    with pytest.raises(Refused):
        slots.take(b"b", T + 200)
    assert slots.take(b"b", T + 300) == 0


def test_renewals_without_end_keep_the_heap_small() -> None:
    slots = Slots(10)
    slot = slots.take(b"a", T)
    for renewal in range(20 * SUPERSEDED_MAX):
        slots.occupy(slot, b"a", T + renewal)
    assert len(slots._ends) <= SUPERSEDED_MAX + 3


def test_a_home_takes_no_more_guests_than_its_cap_however_many_slots_the_network_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("p2preg.registry.guests.GUESTS_MAX", 2)
    guests, _ = home()
    attach(guests, ALICE)
    attach(guests, BOB)
    with pytest.raises(Refused) as caught:
        attach(guests, CAROL)
    assert caught.value.reason == "limit.quota"
    attach(guests, ALICE, seq=T + 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(1, 60)), max_size=60))
def test_two_leases_that_run_never_share_a_slot(steps: list[tuple[int, int, int]]) -> None:
    slots, now, running = Slots(3), 0, dict[int, tuple[int, bytes]]()
    for name, pause, life in steps:
        now += pause
        node = bytes([name])
        try:
            slot = slots.take(node, now)
        except Refused:
            assert len([end for end, _ in running.values() if end > now]) == 3
            continue
        end, owner = running.get(slot, (0, node))
        assert owner == node or end <= now
        slots.occupy(slot, node, now + life)
        running[slot] = (now + life, node)


# --- guests ---------------------------------------------------------------------------------------------------


def test_a_lease_says_what_the_guest_is_and_each_is_greater_than_the_last() -> None:
    guests, _ = home()
    first = attach(guests, ALICE)
    guest = guests.get(ALICE.public)
    assert guest is not None
    guest.contact = LOST
    second = guests.lease(guest, T)
    body = LeaseBody.from_map(second.body)
    assert (body.slot, body.contact, body.state, body.epoch) == (0, LOST, "serving", 7)
    assert second.seq == first.seq + 1
    assert second.end_ms == guest.lease_end_ms == T + LIFE


def test_the_slots_of_an_earlier_run_stay_occupied() -> None:
    earlier, _ = home()
    lease = attach(earlier, ALICE)
    guests, _ = home(lease)
    assert attach(guests, BOB).slot == 1
    assert attach(guests, ALICE, seq=T + 1, now_ms=T + 1).slot == 0


def test_a_lease_that_comes_back_from_the_network_keeps_its_slot() -> None:
    earlier, _ = home()
    lease = attach(earlier, ALICE)
    guests, _ = home()
    guests.note(lease)
    assert attach(guests, BOB).slot == 1


def test_a_new_lease_moves_above_one_of_ours_that_the_network_still_holds() -> None:
    ahead = T + 200_000
    body = LeaseBody(0, ATTACHED, "serving", 3, proof(ALICE)).to_map()
    held_lease = sign_cell(HOME, NETWORK, ALICE.public, LEASE, ahead, body)
    guests, _ = home(held_lease)
    assert attach(guests, ALICE, seq=T + 5, now_ms=T + 5).seq == ahead + 1


def test_a_guest_whose_lease_has_ended_takes_a_slot_anew() -> None:
    guests, _ = home()
    for node in (ALICE, BOB, CAROL):
        attach(guests, node)
    later = T + LIFE
    newcomer = IdentityKey(bytes([9]) * 32)
    assert attach(guests, newcomer, seq=later, now_ms=later).slot == 0, "Alice's, which has ended"
    assert attach(guests, ALICE, seq=later, now_ms=later).slot == 1, "not her old one"


def test_what_stands_elsewhere_is_carried_over_to_a_new_home() -> None:
    guests, _ = home()
    standing = LeaseBody(9, ATTACHED, "draining", 3, proof(ALICE), T + 9, "upgrade", (BOB.public,))
    guest = guests.attach(ALICE.public, 1, proof(ALICE), standing, T)
    assert (guest.state, guest.deadline_ms, guest.reason) == ("draining", T + 9, "upgrade")
    assert guest.successors == (BOB.public,)
    assert guest.slot == 0


def test_leaving_is_gone_and_stopped() -> None:
    guests, _ = home()
    attach(guests, ALICE)
    guest = guests.get(ALICE.public)
    assert guest is not None
    guests.leave(guest, "done")
    body = LeaseBody.from_map(guests.lease(guest, T).body)
    assert (body.contact, body.state, body.reason) == (GONE, "stopped", "done")
    guests.forget(ALICE.public)
    assert len(guests) == 0
    assert attach(guests, BOB).slot == 1, "the slot stays hers until the lease has ended"


def test_a_lease_is_written_only_while_its_proof_makes_it_valid() -> None:
    guests, _ = home()
    attach(guests, ALICE)
    guest = guests.get(ALICE.public)
    assert guest is not None
    assert guests.can_write(guest, T + LIFE - 1)
    assert not guests.can_write(guest, T + LIFE)
    assert guests.lease(guest, T + LIFE - 1).end_ms == T + LIFE


def test_adverts_by_a_home_grow_in_seq() -> None:
    guests, _ = home()
    seqs = [guests.advert(ALICE.public, {"kind": "sfu"}, T).seq for _ in range(3)]
    assert seqs == [T, T + 1, T + 2]


def test_after_the_clock_was_set_back_by_more_than_a_life_no_lease_is_written_in_that_slot() -> None:
    guests, _ = home()
    attach(guests, ALICE, seq=T + 2 * LIFE, now_ms=T + 2 * LIFE)
    guest = guests.attach(ALICE.public, 1, proof(ALICE, T + 5), None, T + 5)
    assert not guests.can_write(guest, T + 5)
    guest.proof = proof(ALICE, T + LIFE + 2)
    assert guests.can_write(guest, T + 5)
    assert guests.lease(guest, T + 5).seq == T + 2 * LIFE + 1


# --- proofs that grow old -------------------------------------------------------------------------------------


def test_a_guest_is_asked_for_a_proof_once_when_its_lease_is_to_end_and_forgotten_when_it_has() -> None:
    guests, _ = home()
    attach(guests, ALICE)
    old = T + LIFE - int(PROVE_AGAIN_SHARE * LIFE)
    assert guests.unproven(old) == []
    assert [guest.node_id for guest in guests.unproven(old + 1)] == [ALICE.public]
    assert guests.unproven(T + LIFE - 1) == []
    assert guests.get(ALICE.public) is not None
    assert guests.unproven(T + LIFE) == []
    assert guests.get(ALICE.public) is None


def test_a_new_proof_puts_the_question_off() -> None:
    guests, _ = home()
    attach(guests, ALICE)
    attach(guests, ALICE, seq=T + 600_000, now_ms=T + 600_000)
    old = T + LIFE - int(PROVE_AGAIN_SHARE * LIFE)
    assert guests.unproven(old + 1) == []
    assert [guest.node_id for guest in guests.unproven(old + 600_001)] == [ALICE.public]


def test_a_guest_whose_socket_is_gone_is_asked_nothing() -> None:
    guests, _ = home()
    attach(guests, ALICE)
    guest = guests.get(ALICE.public)
    assert guest is not None
    guest.session = None
    assert guests.unproven(T + LIFE - 1) == []
    guests.forget(ALICE.public)
    assert guests.unproven(T + LIFE) == []
