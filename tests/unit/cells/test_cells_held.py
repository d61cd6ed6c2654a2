"""What is held, whom it needs, and what is current: whatever the order in which it came."""

from __future__ import annotations

from itertools import permutations

import pytest
from cells_world import (
    MINUTE,
    NETWORK,
    T,
    advert,
    held_of,
    key,
    lease,
    public,
    ranked,
    registry,
    shown,
)

from p2preg.base.limits import EVIDENCE_MAX
from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, Cell
from p2preg.cells.changes import Change, Outcome
from p2preg.cells.held import HeldCells
from p2preg.cells.network import NetworkFile, Sponsored, Work, sponsor_message
from p2preg.crypto.keys import work_bits

ALICE, BOB, CAROL, DAVE = public("alice"), public("bob"), public("carol"), public("dave")


def offered(held: HeldCells, cell: Cell) -> Outcome:
    outcome = held.offer(cell, T, 0.0, None)
    held.check_invariants()
    return outcome


def assert_same_in_any_order(cells: list[Cell], expected: list[Cell], network: NetworkFile = NETWORK) -> None:
    for order in permutations(cells):
        assert sorted(shown(held_of(*order, network=network))) == sorted(cell.key for cell in expected)
        assert sorted(held_of(*order, network=network).cells(LEASE), key=repr) == sorted(
            (cell for cell in expected if cell.kind == LEASE), key=repr
        )


# --- one key ---


def test_a_cell_is_new_once_and_then_stale() -> None:
    held = HeldCells(NETWORK)
    assert offered(held, registry("alice")) is Outcome.NEW
    assert offered(held, registry("alice")) is Outcome.STALE
    assert offered(held, registry("alice", seq=T - 1)) is Outcome.STALE
    assert offered(held, registry("alice", seq=T + 1)) is Outcome.NEW
    assert held.registry(ALICE) == registry("alice", seq=T + 1)


def test_of_two_cells_with_one_seq_the_greater_hash_stands_and_both_are_evidence() -> None:
    one, other = sorted([registry("mallory", rpc="a"), registry("mallory", rpc="b")], key=lambda cell: cell.hash)
    for order in ((one, other), (other, one)):
        held = held_of(*order)
        assert held.registry(public("mallory")) == other
        assert held.evidence() == [(one, other)]


def test_evidence_is_kept_for_so_many_keys_and_the_oldest_goes_first() -> None:
    held = HeldCells(NETWORK)
    for number in range(EVIDENCE_MAX + 1):
        for text in ("a", "b"):
            offered(held, registry(f"mallory {number}", rpc=text))
    keys = [lesser.writer for lesser, _ in held.evidence()]
    assert keys == [public(f"mallory {number}") for number in range(1, EVIDENCE_MAX + 1)]


# --- whom a cell needs ---


def test_a_chain_is_held_in_whatever_order_it_comes() -> None:
    chain = [registry("alice"), lease("carol", "alice"), advert("carol"), advert("carol", "alice")]
    assert_same_in_any_order(chain, chain)


def test_what_lacks_its_registry_or_lease_waits() -> None:
    held = HeldCells(NETWORK)
    assert offered(held, advert("carol")) is Outcome.WAITING
    assert offered(held, lease("carol", "alice")) is Outcome.WAITING
    assert shown(held) == {}
    assert offered(held, registry("alice")) is Outcome.NEW
    assert len(shown(held)) == 3


def test_an_advert_by_a_home_without_a_lease_of_the_node_is_not_held() -> None:
    held = held_of(registry("alice"), registry("bob"), lease("carol", "alice"))
    assert offered(held, advert("carol", "bob")) is Outcome.WAITING
    assert offered(held, advert("dave")) is Outcome.WAITING


def test_a_slot_that_goes_to_another_node_takes_the_adverts_of_the_old_one_along() -> None:
    old = [lease("carol", "alice", seq=T - 1), advert("carol"), advert("carol", "alice")]
    new = [registry("alice"), lease("dave", "alice", seq=T), advert("dave")]
    assert_same_in_any_order(old + new, new)


def test_an_advert_stays_while_another_lease_justifies_it() -> None:
    reused = [lease("carol", "alice", seq=T - 1), lease("dave", "alice", seq=T)]
    stays = [registry("alice"), registry("bob"), lease("carol", "bob"), advert("carol")]
    gone = [advert("carol", "alice")]
    assert_same_in_any_order(reused + stays + gone, [*stays, reused[1]])


def test_an_advert_that_lost_its_lease_comes_back_with_the_next() -> None:
    held = held_of(registry("alice"), lease("carol", "alice", seq=T - 1), advert("carol"), lease("dave", "alice"))
    assert held.advert(CAROL, CAROL) is None
    assert offered(held, advert("carol")) is Outcome.STALE
    offered(held, lease("carol", "alice", slot=1))
    assert held.advert(CAROL, CAROL) == advert("carol")


def test_a_lease_renewed_for_the_same_node_moves_nothing_else() -> None:
    held = held_of(registry("alice"), lease("carol", "alice", seq=T - 1), advert("carol"))
    held.drain_changes()
    offered(held, lease("carol", "alice", seq=T))
    renewed = lease("carol", "alice")
    assert held.drain_changes() == [Change(renewed.key, lease("carol", "alice", seq=T - 1), renewed)]


def test_a_registry_that_registers_itself_as_a_node_is_held_like_any() -> None:
    cells = [registry("alice"), lease("alice", "alice"), advert("alice")]
    assert_same_in_any_order(cells, cells)
    assert held_of(*cells).current_lease(ALICE) == cells[1]


# --- how many, and who ---


def test_the_last_slot_below_the_limit_is_held_and_the_limit_is_not() -> None:
    small = NetworkFile("demo", slots=2)
    held = held_of(registry("alice", network=small), network=small)
    assert offered(held, lease("carol", "alice", slot=1, network=small)) is Outcome.NEW
    assert offered(held, lease("carol", "alice", slot=2, network=small)) is Outcome.NOT_HELD


def test_a_registry_that_is_not_admitted_is_not_held() -> None:
    file = NetworkFile("demo", admission=Work(work_bits(ALICE) + 1))
    assert offered(HeldCells(file), registry("alice", network=file)) is Outcome.NOT_HELD


def test_a_cell_without_sponsor_does_not_take_the_place_of_the_sponsored_one() -> None:
    file = NetworkFile("demo", admission=Sponsored((BOB,)))
    signature = key("bob").sign(sponsor_message(file.network, ALICE))
    good = registry("alice", network=file, sponsor=[BOB, signature])
    held = held_of(good, network=file)
    assert offered(held, registry("alice", seq=T + 1, network=file)) is Outcome.NOT_HELD
    assert held.registry(ALICE) == good


def test_the_registries_that_rank_first_are_held_whoever_came_first() -> None:
    small = NetworkFile("demo", max_registries=2)
    names = ranked(4)
    cells = [registry(name, network=small) for name in names]
    assert_same_in_any_order(cells, cells[:2], small)
    assert list(held_of(*reversed(cells), network=small).registries()) == cells[:2]


def test_a_registry_with_more_work_ranks_before_one_with_a_smaller_key() -> None:
    small = NetworkFile("demo", max_registries=1)
    names = [f"registry {number}" for number in range(40)]
    held = held_of(*(registry(name, network=small) for name in names), network=small)
    (winner,) = held.registries()
    assert work_bits(winner.writer) == max(work_bits(public(name)) for name in names)
    assert winner.writer != min(public(name) for name in names)


def test_an_outranked_registry_takes_its_leases_and_their_adverts_along() -> None:
    small = NetworkFile("demo", max_registries=1)
    first, last = ranked(2)
    stays = [registry(first, network=small), lease("dave", first, network=small), advert("dave", network=small)]
    goes = [registry(last, network=small), lease("carol", last, network=small), advert("carol", network=small)]
    assert_same_in_any_order(stays + goes, stays, small)


def test_an_outranked_registry_waits_for_a_place() -> None:
    small = NetworkFile("demo", max_registries=1)
    first, last = ranked(2)
    held = held_of(registry(first, network=small), network=small)
    assert offered(held, registry(last, T + 20 * MINUTE - 1, small)) is Outcome.EARLY
    assert offered(held, registry(last, T + 4 * MINUTE, small)) is Outcome.WAITING
    held.tick(T + 30 * MINUTE - 1, 0.0)
    assert list(held.registries()) == [registry(first, network=small)]
    held.tick(T + 30 * MINUTE, 0.0)
    assert [cell.writer for cell in held.registries()] == [public(last)]


# --- what is current ---


def test_the_current_home_is_the_one_with_the_latest_proof() -> None:
    here, there = lease("carol", "alice", seq=T - 1), lease("carol", "bob", seq=T)
    held = held_of(registry("alice"), registry("bob"), here, there, advert("carol"))
    assert held.current_lease(CAROL) == there
    assert held.leases_of(CAROL) == [there, here]


def test_of_two_homes_with_one_proof_seq_the_greater_key_is_current() -> None:
    homes = sorted(["alice", "bob"], key=public)
    leases = [lease("carol", home, seq=T + 1 - number, proof_seq=T) for number, home in enumerate(homes)]
    for order in permutations([*map(registry, homes), *leases, advert("carol")]):
        assert held_of(*order).current_lease(CAROL) == leases[1]


def test_a_home_without_a_description_is_not_current() -> None:
    here, there = lease("carol", "alice", seq=T - 1), lease("carol", "bob", seq=T)
    held = held_of(registry("alice"), registry("bob"), here, there, advert("carol", "alice"))
    assert held.current_lease(CAROL) == here
    assert held.current_advert(CAROL) == advert("carol", "alice")
    offered(held, advert("carol", "bob"))
    assert held.current_lease(CAROL) == there
    assert held.current_advert(CAROL) == advert("carol", "bob")


def test_a_node_without_description_or_lease_has_nothing_current() -> None:
    held = held_of(registry("alice"), lease("carol", "alice"), advert("dave"))
    assert (held.current_lease(CAROL), held.current_advert(CAROL)) == (None, None)
    assert (held.current_lease(DAVE), held.current_advert(DAVE)) == (None, None)


def test_the_nodes_own_advert_outranks_a_newer_one_by_its_home() -> None:
    held = held_of(registry("alice"), lease("carol", "alice"), advert("carol", seq=T - 9), advert("carol", "alice"))
    assert held.current_advert(CAROL) == advert("carol", seq=T - 9)


def test_a_node_in_many_slots_of_one_home_is_in_the_newest() -> None:
    slots = [lease("carol", "mallory", slot=slot, seq=T - slot, proof_seq=T) for slot in range(3)]
    for order in permutations(slots):
        held = held_of(registry("mallory"), advert("carol"), *order)
        assert held.current_lease(CAROL) == slots[0]
        assert held.leases_by(public("mallory")) == slots
        offered(held, lease("dave", "mallory", slot=0, seq=T + 1))
        assert held.current_lease(CAROL) == slots[1]


# --- what the owner sees ---


def test_lookups_of_strangers_find_nothing() -> None:
    held = held_of(registry("alice"), lease("carol", "alice"))
    assert (held.registry(BOB), held.advert(CAROL, BOB), held.get(b"")) == (None, None, None)
    assert (held.leases_by(BOB), held.leases_of(BOB)) == ([], [])
    assert not held.is_visible(b"")


def test_changes_tell_what_replaced_what_and_are_told_once() -> None:
    held = held_of(registry("alice"), lease("carol", "alice", seq=T - 1), advert("carol"))
    held.drain_changes()
    reuse, old = lease("dave", "alice"), lease("carol", "alice", seq=T - 1)
    offered(held, reuse)
    assert held.drain_changes() == [Change(reuse.key, old, reuse), Change(advert("carol").key, advert("carol"), None)]
    assert held.drain_changes() == []


@pytest.mark.parametrize("kind", [REGISTRY, ADVERT, LEASE])
def test_cells_are_listed_by_kind_and_counted(kind: int) -> None:
    cells = [registry("alice"), registry("bob"), lease("carol", "alice"), advert("carol"), advert("carol", "alice")]
    held = held_of(*cells)
    assert sorted(cell.key for cell in held.cells(kind)) == sorted(cell.key for cell in cells if cell.kind == kind)
    counted = held.statistics()
    assert (counted.registries, counted.leases, counted.adverts, counted.waiting) == (2, 1, 2, 0)
