"""What the broadcast core does when links go, and when new ones come."""

from __future__ import annotations

from broadcast_harness import ALICE, BOB, CAROL, DAVE, ORIGIN, Bench, announcement_of, batch_by

from p2preg.base.effects import Send
from p2preg.base.events import NeighborDown, NeighborUp
from p2preg.broadcast.events import Publish
from p2preg.wire.messages import Graft, IHave


def test_after_the_loss_of_the_link_that_batches_came_over_the_last_to_announce_one_is_asked_for_them(
    bench: Bench,
) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.gossip(BOB, batch)
    bench.gossip(CAROL, batch)
    bench.announce(CAROL, batch)
    bench.announce(BOB, batch)
    assert bench.tell(NeighborDown(ALICE)) == [Send(BOB, Graft([], [ORIGIN.public]))]
    assert bench.core.eager(ORIGIN.public) == (BOB,)
    assert bench.tell(NeighborDown(BOB)) == [Send(CAROL, Graft([], [ORIGIN.public]))]


def test_the_loss_of_a_link_that_nothing_came_over_and_of_the_last_one_ask_for_nothing(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.gossip(BOB, batch)
    bench.gossip(CAROL, batch)
    assert bench.tell(NeighborDown(BOB)) == []
    assert bench.tell(NeighborDown(CAROL)) == []
    assert bench.tell(NeighborDown(ALICE)) == []


def test_when_the_wrong_one_was_asked_announcements_repair_the_tree(bench: Bench) -> None:
    first, second = batch_by(ORIGIN, 1), batch_by(ORIGIN, 2)
    bench.deliver(ALICE, first)
    bench.gossip(BOB, first)
    bench.gossip(CAROL, first)
    bench.announce(CAROL, first)
    bench.tell(NeighborDown(ALICE))
    bench.announce(BOB, second)
    assert Send(BOB, Graft([second.batch_id], [ORIGIN.public])) in bench.wait(1.0)
    bench.deliver(BOB, second)
    assert BOB in bench.core.eager(ORIGIN.public)


def test_a_new_link_is_told_of_what_came_lately_and_not_of_what_came_before(bench: Bench) -> None:
    early, late = batch_by(ORIGIN, 1), batch_by(ORIGIN, 2)
    bench.deliver(ALICE, early)
    bench.wait(10.0)
    bench.deliver(ALICE, late)
    bench.wait(1.0)
    bench.tell(NeighborUp(DAVE))
    assert bench.wait(1.0) == [Send(DAVE, IHave([announcement_of(late)]))]


def test_what_was_published_without_a_neighbour_reaches_the_next_one() -> None:
    bench = Bench()
    batch = batch_by(bench.me, 1)
    bench.tell(Publish(batch))
    bench.tell(NeighborUp(ALICE))
    assert bench.wait(1.0) == [Send(ALICE, IHave([announcement_of(batch)]))]
    bench.wait(10.0)
    bench.tell(NeighborUp(BOB))
    assert bench.wait(1.0) == []
