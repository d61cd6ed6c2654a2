"""Time and the held cells: what is too early, what has ended, and that nothing comes back."""

from __future__ import annotations

from cells_world import HOUR, MINUTE, NETWORK, T, advert, held_of, lease, public, ranked, registry, shown

from p2preg.base.limits import EARLY_BYTES_MAX
from p2preg.cells.cell import LEASE, REGISTRY, Cell
from p2preg.cells.changes import Change, Ended, Outcome
from p2preg.cells.deadlines import Deadlines
from p2preg.cells.held import AHEAD_MS, ENDED_KEPT_MS, HeldCells
from p2preg.cells.network import NetworkFile

ALICE, CAROL = public("alice"), public("carol")
END = T + 30 * MINUTE  # of a registry cell and of a lease of T


def offer(held: HeldCells, cell: Cell, now_ms: int) -> Outcome:
    outcome = held.offer(cell, now_ms, 0.0, b"peer")
    held.check_invariants()
    return outcome


def tick(held: HeldCells, now_ms: int) -> None:
    held.tick(now_ms, 0.0)
    held.check_invariants()


# --- early ---


def test_a_cell_five_minutes_ahead_is_held_and_one_a_millisecond_further_is_not() -> None:
    assert offer(HeldCells(NETWORK), registry("alice", T + AHEAD_MS), T) is Outcome.NEW
    held = HeldCells(NETWORK)
    assert offer(held, registry("alice", T + AHEAD_MS + 1), T) is Outcome.EARLY
    assert shown(held) == {}


def test_an_early_cell_comes_in_when_its_time_has_come() -> None:
    held = HeldCells(NETWORK)
    cell = registry("alice", T + AHEAD_MS + 10)
    offer(held, cell, T)
    tick(held, T + 9)
    assert held.registry(ALICE) is None
    tick(held, T + 10)
    assert held.registry(ALICE) == cell
    assert held.statistics().early == 0


def test_an_early_cell_does_not_replace_one_that_is_not_early() -> None:
    held = held_of(registry("alice"))
    offer(held, registry("alice", T + HOUR), T)
    assert held.registry(ALICE) == registry("alice")


def test_early_versions_of_one_key_come_in_one_after_the_other() -> None:
    held = HeldCells(NETWORK)
    first, second = registry("alice", T + AHEAD_MS + 1), registry("alice", T + AHEAD_MS + 2)
    assert [offer(held, cell, T) for cell in (second, first, second)] == [Outcome.EARLY] * 3
    assert held.statistics().early == 2
    tick(held, T + 1)
    assert held.registry(ALICE) == first
    tick(held, T + 2)
    assert held.registry(ALICE) == second


def test_an_early_lease_may_have_to_wait_when_its_time_has_come() -> None:
    held = HeldCells(NETWORK)
    offer(held, lease("carol", "alice", seq=T + AHEAD_MS + 1), T)
    tick(held, T + 1)
    assert held.statistics().waiting == 1


def test_of_too_many_early_cells_the_furthest_ahead_go_first() -> None:
    held = HeldCells(NETWORK)
    near = registry("alice", T + AHEAD_MS + 1)
    many = [registry("mallory", T + HOUR + number, pad="x" * 3_800) for number in range(EARLY_BYTES_MAX // 3_800)]
    for cell in (*many, near):
        assert offer(held, cell, T) is Outcome.EARLY
    kept = (EARLY_BYTES_MAX - len(near.raw)) // len(many[0].raw)
    assert held.statistics().early_bytes == len(near.raw) + kept * len(many[0].raw) <= EARLY_BYTES_MAX
    tick(held, T + 1)
    assert held.registry(ALICE) == near
    tick(held, T + HOUR)
    assert held.registry(public("mallory")) == many[kept - 1]


# --- ended ---


def test_a_cell_is_refused_from_the_millisecond_at_which_it_ends() -> None:
    assert offer(HeldCells(NETWORK), registry("alice"), END - 1) is Outcome.NEW
    assert offer(HeldCells(NETWORK), registry("alice"), END) is Outcome.ENDED


def test_an_ended_cell_is_invisible_for_ten_minutes_and_then_gone() -> None:
    held = held_of(registry("alice"))
    held.drain_changes()
    tick(held, END - 1)
    assert held.registry(ALICE) is not None
    tick(held, END)
    assert held.registry(ALICE) is None
    assert held.get(registry("alice").key) == registry("alice")
    assert list(held.registries()) == []
    assert held.drain_changes() == [Ended(registry("alice"))]
    tick(held, END + ENDED_KEPT_MS - 1)
    assert list(held.cells(REGISTRY)) == [registry("alice")]
    tick(held, END + ENDED_KEPT_MS)
    assert list(held.cells(REGISTRY)) == []
    assert held.drain_changes() == [Change(registry("alice").key, registry("alice"), None)]
    assert offer(held, registry("alice"), END + ENDED_KEPT_MS) is Outcome.ENDED


def test_one_long_tick_ends_and_forgets() -> None:
    held = held_of(registry("alice"), lease("carol", "alice"), advert("carol"))
    tick(held, T + 48 * HOUR)
    assert (held.statistics().registries, held.statistics().leases, held.statistics().adverts) == (0, 0, 0)
    assert held.statistics().waiting == 0


def test_the_advert_of_an_ended_lease_cannot_be_seen_and_goes_with_it() -> None:
    held = held_of(registry("alice", seq=T + 4 * MINUTE), lease("carol", "alice"), advert("carol"))
    held.drain_changes()
    tick(held, END)
    assert (held.current_lease(CAROL), held.advert(CAROL, CAROL), held.leases_of(CAROL)) == (None, None, [])
    assert held.drain_changes() == [Ended(lease("carol", "alice")), Ended(advert("carol"))]
    tick(held, END + ENDED_KEPT_MS)
    assert held.get(advert("carol").key) is None
    assert list(held.cells(LEASE)) == []


def test_the_leases_of_an_ended_registry_cannot_be_seen_until_its_next_cell() -> None:
    held = held_of(registry("alice"), lease("carol", "alice", seq=T + 4 * MINUTE), advert("carol"))
    tick(held, END)
    assert shown(held) == {}
    held.drain_changes()
    renewed = registry("alice", seq=END)
    offer(held, renewed, END)
    assert len(shown(held)) == 3
    again = [lease("carol", "alice", seq=T + 4 * MINUTE), advert("carol")]
    assert held.drain_changes() == [
        Change(renewed.key, registry("alice"), renewed),
        *(Change(cell.key, cell, cell) for cell in again),
    ]


def test_a_new_lease_shows_the_advert_that_was_about_to_go() -> None:
    held = held_of(registry("alice", seq=T + 4 * MINUTE), lease("carol", "alice"), advert("carol"))
    tick(held, END)
    offer(held, lease("carol", "alice", seq=END + 1), END + 1)
    assert held.current_advert(CAROL) == advert("carol")


def test_a_lease_that_comes_while_its_registry_is_invisible_is_held_unseen() -> None:
    held = held_of(registry("alice"))
    tick(held, END)
    held.drain_changes()
    late = lease("carol", "alice", seq=END)
    assert offer(held, late, END) is Outcome.NEW
    assert held.drain_changes() == [Change(late.key, None, late), Ended(late)]
    assert held.leases_by(ALICE) == []


def test_a_lease_that_ends_early_does_not_let_an_older_one_come_back() -> None:
    older = lease("carol", "mallory", seq=T - 1)  # ends at END - 1
    newer = lease("carol", "mallory", seq=T, proof_seq=T - 29 * MINUTE)  # ends a minute from now
    held = held_of(older, newer, registry("mallory"), advert("carol"))
    for minute in range(1, 60):
        now_ms = T + minute * MINUTE
        tick(held, now_ms)
        assert offer(held, older, now_ms) in (Outcome.STALE, Outcome.ENDED)
        assert held.current_lease(CAROL) is None
    assert held.statistics().leases == 0


def test_an_ended_registry_yields_its_place_and_does_not_decide_who_is_seen() -> None:
    small = NetworkFile("demo", max_registries=2)
    first, second, third = ranked(3)
    held = held_of(registry(first, network=small), registry(second, T + MINUTE, small), network=small)
    tick(held, END)
    assert held.statistics().registries == 2
    assert offer(held, registry(third, END, small), END) is Outcome.NEW
    assert [cell.writer for cell in held.registries()] == [public(second), public(third)]
    assert held.statistics().registries == 2
    offer(held, registry(first, END, small), END)
    assert [cell.writer for cell in held.registries()] == [public(first), public(second)]


def test_what_has_ended_while_it_waited_does_not_come_in() -> None:
    held = HeldCells(NETWORK)
    offer(held, lease("carol", "alice"), T)
    offer(held, registry("alice", seq=END), END)
    assert held.statistics().leases == 0


# --- deadlines ---


def test_deadlines_are_due_in_order_and_those_set_meanwhile_too() -> None:
    deadlines = Deadlines()
    for name, at in ((b"c", 3), (b"a", 1), (b"b", 2), (b"d", 9)):
        deadlines.set(name, at)
    deadlines.set(b"a", 4)
    deadlines.pop(b"b")
    due = []
    for name in deadlines.pop_due(5):
        due.append(name)
        if name == b"c":
            deadlines.set(b"e", 3)
    assert due == [b"c", b"e", b"a"]
    assert len(deadlines) == 1


def test_a_deadline_that_moves_all_the_time_costs_no_memory() -> None:
    deadlines = Deadlines()
    for at in range(10_000):
        deadlines.set(b"a", at)
    assert len(deadlines._heap) < 100
    assert list(deadlines.pop_due(9_998)) == []
    assert list(deadlines.pop_due(9_999)) == [b"a"]
