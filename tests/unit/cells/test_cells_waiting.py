"""Cells that wait: for how long, in how much memory, and at whose cost."""

from __future__ import annotations

from cells_world import MINUTE, NETWORK, T, advert, lease, registry

from p2preg.base.limits import WAITING_BYTES_MAX, WAITING_SECONDS, WAITING_SOURCES_MAX
from p2preg.cells.changes import Outcome
from p2preg.cells.held import HeldCells
from p2preg.cells.waiting import WaitingCells

PAD = "x" * 3_800
FLOOD = WAITING_BYTES_MAX // 3_900 + 50  # adverts of nodes that have no lease, more than fit


def test_a_cell_waits_ten_minutes_and_not_longer() -> None:
    for seconds, leases in ((WAITING_SECONDS - 0.1, 1), (WAITING_SECONDS, 0)):
        held = HeldCells(NETWORK)
        held.offer(lease("carol", "alice"), T, 0.0, b"bob")
        held.tick(T + MINUTE, seconds)
        held.offer(registry("alice"), T + MINUTE, seconds, b"bob")
        assert held.statistics().leases == leases
        held.check_invariants()


def test_what_waits_fits_its_bytes_and_a_flood_drowns_only_itself() -> None:
    waiting = WaitingCells()
    honest = [lease(f"node {number}", "alice", slot=number) for number in range(50)]
    for number, cell in enumerate(honest):
        waiting.add(cell, b"bob", float(number))
    flood = [advert(f"flood {number}", pad=PAD) for number in range(FLOOD)]
    for cell in flood:
        waiting.add(cell, b"mallory", 100.0)
    waiting.check_invariants()
    assert WAITING_BYTES_MAX - 4_096 < waiting.bytes <= WAITING_BYTES_MAX
    assert sorted(cell.key for cell in waiting.leases_by(honest[0].writer)) == sorted(cell.key for cell in honest)
    assert waiting.get(flood[0].key) is None  # the oldest of the flood
    assert waiting.get(flood[-1].key) == flood[-1]


def test_two_floods_share_alike() -> None:
    waiting = WaitingCells()
    for number in range(FLOOD):
        waiting.add(advert(f"flood {number}", pad=PAD), b"mallory", 0.0)
    late = [advert(f"late {number}", pad=PAD) for number in range(FLOOD)]
    for cell in late:
        waiting.add(cell, b"bob", 1.0)
    waiting.check_invariants()
    left = sum(waiting.get(cell.key) is not None for cell in late)
    assert abs(left - len(waiting) / 2) <= 1


def test_a_cell_that_a_second_source_offers_does_not_drown_with_the_first() -> None:
    held = HeldCells(NETWORK)
    wanted = lease("carol", "alice")
    assert held.offer(wanted, T, 0.0, b"mallory") is Outcome.WAITING
    flood = [advert(f"flood {number}", pad=PAD) for number in range(FLOOD)]
    for cell in flood[:50]:
        held.offer(cell, T, 0.0, b"mallory")
    assert held.offer(wanted, T, 0.0, b"bob") is Outcome.STALE
    for cell in flood:
        held.offer(cell, T, 0.0, b"mallory")
    held.check_invariants()
    held.offer(registry("alice"), T, 0.0, b"bob")
    assert held.get(wanted.key) == wanted


def test_sources_beyond_the_cap_share_one() -> None:
    waiting = WaitingCells()
    for number in range(WAITING_SOURCES_MAX + 50):
        waiting.add(lease("carol", "alice", slot=number), number.to_bytes(32), 0.0)
    waiting.check_invariants()
    assert len(waiting) == WAITING_SOURCES_MAX + 50
    assert len(waiting._shares) == WAITING_SOURCES_MAX + 1


def test_nothing_stays_behind_a_cell_that_leaves() -> None:
    waiting = WaitingCells()
    for cell in (lease("carol", "alice"), advert("carol"), registry("alice"), advert("carol", seq=T + 1)):
        waiting.add(cell, b"bob", 0.0)
    assert len(waiting) == 3
    waiting.expire(WAITING_SECONDS)
    assert (len(waiting), waiting.bytes, waiting._shares, waiting._leases) == (0, 0, {}, {})
    assert waiting.pop(lease("carol", "alice").key) is None
