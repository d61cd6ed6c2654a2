"""GRAFT: who is asked for what was announced and did not come, and when."""

from __future__ import annotations

from broadcast_harness import ALICE, BOB, CAROL, ORIGIN, Bench, batch_by

from p2preg.base.effects import Send
from p2preg.base.events import NeighborDown, Received
from p2preg.broadcast.effects import Deliver, Gap
from p2preg.broadcast.events import Accepted
from p2preg.wire.messages import Gossip, Graft, Prune


def pushed_to(effects: list[object]) -> list[bytes]:
    return [effect.peer for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Gossip)]


def test_a_gap_that_was_reported_because_who_announced_it_left_may_fill_after_all(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    batch = batch_by(ORIGIN, 2)
    bench.announce(BOB, batch)
    bench.tell_all(NeighborDown(BOB))
    assert bench.wait(1.0) == [Gap(ORIGIN.public, batch.epoch, 2, 2)]
    assert bench.core.has_accepted(ORIGIN.public, 1) and not bench.core.has_accepted(ORIGIN.public, 2)
    bench.deliver(ALICE, batch)
    assert bench.core.has_accepted(ORIGIN.public, 2)
    assert not bench.core.has_accepted(CAROL, 1)


def test_an_announced_batch_that_does_not_come_is_grafted(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    batch = batch_by(ORIGIN, 2)
    bench.announce(BOB, batch)
    assert bench.core.lazy(ORIGIN.public) == (BOB,)
    assert bench.wait(0.9) == []
    assert bench.wait(0.1) == [Send(BOB, Graft([batch.batch_id], [ORIGIN.public]))]
    assert BOB in bench.core.eager(ORIGIN.public)


def test_an_announced_batch_that_comes_in_time_is_not_grafted(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.announce(BOB, batch)
    bench.deliver(ALICE, batch)
    assert not [effect for effect in bench.wait(10.0) if isinstance(effect.message, Graft)]


def test_without_a_parent_an_announced_batch_is_grafted_at_once(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.announce(BOB, batch)
    assert bench.wait(0.0) == [Send(BOB, Graft([batch.batch_id], [ORIGIN.public]))]


def test_a_parent_that_pruned_us_is_none(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    bench.tell(Received(ALICE, Prune([ORIGIN.public])))
    batch = batch_by(ORIGIN, 2)
    bench.announce(BOB, batch)
    assert bench.wait(0.0) == [Send(BOB, Graft([batch.batch_id], [ORIGIN.public]))]


def test_one_graft_asks_for_all_batches_that_are_due(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    batches = [batch_by(ORIGIN, counter) for counter in (2, 3, 4)]
    bench.announce(BOB, *batches)
    assert bench.wait(1.0) == [Send(BOB, Graft([batch.batch_id for batch in batches], [ORIGIN.public]))]


def test_the_next_announcer_is_asked_after_half_the_time_and_then_the_gap_is_reported(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    batch = batch_by(ORIGIN, 2)
    bench.announce(BOB, batch)
    bench.announce(CAROL, batch)
    bench.wait(1.0)
    assert bench.wait(0.5) == [Send(CAROL, Graft([batch.batch_id], [ORIGIN.public]))]
    assert bench.wait(0.5) == [Gap(ORIGIN.public, 1, 2, 2)]
    assert bench.core.statistics().broken_promises == 2
    assert bench.core.statistics().missing == 0


def test_an_announcer_that_is_gone_is_not_asked(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    batch = batch_by(ORIGIN, 2)
    bench.announce(BOB, batch)
    bench.announce(CAROL, batch)
    bench.tell(NeighborDown(BOB))
    assert bench.wait(1.0) == [Send(CAROL, Graft([batch.batch_id], [ORIGIN.public]))]


def test_the_answer_to_a_graft_is_taken_from_one_who_is_no_neighbour_any_more(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    batch = batch_by(ORIGIN, 2)
    bench.announce(BOB, batch)
    bench.wait(1.0)
    bench.tell(NeighborDown(BOB))
    assert bench.gossip(BOB, batch_by(ORIGIN, 3)) == []
    assert bench.gossip(BOB, batch) == [Deliver(BOB, batch)]
    assert pushed_to(bench.tell(Accepted(batch))) == [ALICE, CAROL]


def test_a_grafted_link_is_not_pruned_for_two_seconds(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.announce(BOB, batch)
    bench.wait(1.0)
    bench.deliver(ALICE, batch)  # the tree was only slow
    bench.gossip(BOB, batch)
    assert BOB in bench.core.eager(ORIGIN.public)
    bench.wait(2.0)
    later = batch_by(ORIGIN, 2)
    bench.deliver(ALICE, later)
    bench.gossip(BOB, later)
    assert BOB in bench.core.lazy(ORIGIN.public)


def test_a_graft_is_answered_and_makes_the_link_eager(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.tell(Received(BOB, Prune([ORIGIN.public])))
    effects = bench.tell(Received(BOB, Graft([batch.batch_id], [ORIGIN.public])))
    assert effects == [Send(BOB, Gossip(batch.raw))]
    assert BOB in bench.core.eager(ORIGIN.public)


def test_one_batch_is_sent_to_one_peer_on_request_three_times_at_most(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    graft = Graft([batch.batch_id] * 5, [])
    assert [len(bench.tell(Received(BOB, graft))) for _ in range(4)] == [1, 1, 1, 0]
    assert len(bench.tell(Received(CAROL, graft))) == 1


def test_one_graft_is_answered_with_half_an_outbox_at_most(bench: Bench) -> None:
    batches = [batch_by(ORIGIN, at + 1, cells=(bytes(4000),) * 14) for at in range(12)]
    for batch in batches:
        bench.deliver(ALICE, batch)
    effects = bench.tell(Received(BOB, Graft([batch.batch_id for batch in batches], [])))
    assert len(effects) == 9


def test_a_graft_for_what_is_not_here_is_counted_and_not_answered(bench: Bench) -> None:
    assert bench.tell(Received(BOB, Graft([bytes(16)], [bytes(32)]))) == []
    assert bench.core.statistics().grafts_unanswered == 1
