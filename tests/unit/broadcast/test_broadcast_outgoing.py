"""When own cells and pages leave, and in how many batches."""

from __future__ import annotations

import pytest
from broadcast_harness import NETWORK, key_of

from p2preg.base.limits import BATCH_BYTES_MAX, CELL_BYTES_MAX, OUTGOING_BYTES_MAX
from p2preg.broadcast.batch import LOAD, QOS, Page, sign_batch
from p2preg.broadcast.outgoing import Outgoing, heartbeat_interval

NODE, OTHER = bytes(32), b"\1" * 32


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing(now=100.0)


def load(subject: bytes, cpu: int) -> Page:
    return Page(LOAD, subject, {"cpu": cpu})


def test_a_change_in_idle_times_leaves_at_once(outgoing: Outgoing) -> None:
    assert outgoing.offer_cells([b"cell"])
    assert outgoing.next_flush(101.0) == 101.0
    assert outgoing.take(101.0) == [((b"cell",), ())]
    assert outgoing.take(101.0) == []


def test_a_change_right_after_another_waits_for_a_tenth_of_a_second_to_pass(outgoing: Outgoing) -> None:
    outgoing.offer_cells([b"first"])
    outgoing.take(101.0)
    outgoing.offer_cells([b"second"])
    outgoing.offer_cells([b"third"])
    assert outgoing.next_flush(101.02) == pytest.approx(101.1)
    assert outgoing.take(101.09) == []
    assert outgoing.take(101.1) == [((b"second", b"third"), ())]


def test_half_a_frame_does_not_wait(outgoing: Outgoing) -> None:
    outgoing.offer_cells([b"first"])
    outgoing.take(101.0)
    for _ in range(8):
        outgoing.offer_cells([bytes(CELL_BYTES_MAX)])
    assert outgoing.next_flush(101.01) == 101.01


def test_silence_ends_in_a_heartbeat(outgoing: Outgoing) -> None:
    assert outgoing.next_flush(101.0) == 105.0
    assert outgoing.take(104.9) == []
    assert outgoing.take(105.0) == [((), ())]
    assert outgoing.next_flush(105.0) == 110.0


def test_a_batch_puts_the_heartbeat_off(outgoing: Outgoing) -> None:
    outgoing.offer_cells([b"cell"])
    outgoing.take(104.0)
    assert outgoing.next_flush(104.5) == 109.0


def test_the_interval_between_heartbeats_can_be_set(outgoing: Outgoing) -> None:
    outgoing.interval = heartbeat_interval(400)
    assert outgoing.next_flush(101.0) == 110.0


def test_a_large_network_beats_more_slowly() -> None:
    assert [heartbeat_interval(size) for size in (0, 50, 200, 400, 800, 100_000)] == [5, 5, 5, 10, 20, 20]


def test_a_newer_page_replaces_one_that_has_not_left(outgoing: Outgoing) -> None:
    qos = Page(QOS, NODE, {"rtt": 1})
    for page in (load(NODE, 1), load(OTHER, 2), qos, load(NODE, 3)):
        outgoing.add_page(page)
    assert outgoing.take(101.0) == [((), (load(OTHER, 2), qos, load(NODE, 3)))]
    assert outgoing.waiting_bytes == 0


def test_beyond_the_cap_the_oldest_page_is_left_out(outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.outgoing.OUTGOING_PAGES_MAX", 2)
    pages = [load(bytes([at]) * 32, 1) for at in range(3)]
    for page in pages:
        outgoing.add_page(page)
    assert outgoing.take(101.0) == [((), tuple(pages[1:]))]


def test_when_the_backlog_is_full_cells_are_refused_and_none_is_lost(outgoing: Outgoing) -> None:
    taken = 0
    while outgoing.offer_cells([taken.to_bytes(2) + bytes(CELL_BYTES_MAX - 2)]):
        taken += 1
    assert outgoing.waiting_bytes <= OUTGOING_BYTES_MAX
    assert taken >= 250
    left = [cell for cells, _ in outgoing.take(101.0) for cell in cells]
    assert [int.from_bytes(cell[:2]) for cell in left] == list(range(taken))
    assert outgoing.offer_cells([b"again"])


def test_a_long_backlog_leaves_in_batches_that_can_be_signed(outgoing: Outgoing) -> None:
    for at in range(600):
        outgoing.offer_cells([at.to_bytes(2) + bytes(at)])
        outgoing.add_page(Page(LOAD, at.to_bytes(32), {"name": "x" * at}))
    contents = outgoing.take(101.0)
    for counter, (cells, pages) in enumerate(contents, 1):
        sign_batch(
            key_of("alice"),
            network=NETWORK + "x" * 11,
            epoch=2**63 - 1,
            counter=counter,
            issued_ms=2**63 - 1,
            uptime_ms=2**63 - 1,
            interval_ms=20_000,
            cells=cells,
            pages=pages,
        )
    assert sum(len(cells) for cells, _ in contents) == sum(len(pages) for _, pages in contents) == 600
    assert len(contents) < 10


def test_a_batch_holds_512_cells_and_512_pages_at_most(outgoing: Outgoing) -> None:
    for at in range(513):
        outgoing.offer_cells([b"c"])
        outgoing.add_page(load(at.to_bytes(32), 0))
    contents = outgoing.take(101.0)
    assert [(len(cells), len(pages)) for cells, pages in contents] == [(512, 0), (1, 512), (0, 1)]


def test_cells_offered_together_share_a_batch(outgoing: Outgoing) -> None:
    outgoing.offer_cells([bytes(4000)] * 14)
    outgoing.offer_cells([b"advert" * 600, b"lease" * 100])
    assert [len(cells) for cells, _ in outgoing.take(101.0)] == [14, 2]


def test_cells_offered_together_that_no_batch_can_hold_are_spread_over_several(outgoing: Outgoing) -> None:
    assert outgoing.offer_cells([bytes(4000)] * (BATCH_BYTES_MAX // 4000 + 5))
    assert len(outgoing.take(101.0)) == 2


def test_offering_nothing_is_no_reason_to_send(outgoing: Outgoing) -> None:
    assert outgoing.offer_cells([])
    assert outgoing.take(101.0) == []
