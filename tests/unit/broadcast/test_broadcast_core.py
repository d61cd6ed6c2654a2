"""One broadcast core on the bench: what it does with each message, and what it refuses to do."""

from __future__ import annotations

import pytest
from broadcast_harness import ALICE, BOB, CAROL, MALLORY, ORIGIN, Bench, announcement_of, batch_by, key_of

from p2preg.base.effects import Misbehaved, Send
from p2preg.base.events import NeighborUp, Received
from p2preg.broadcast.effects import Deliver, NewEpoch, UnknownOrigin
from p2preg.broadcast.events import Accepted, OriginDropped, OriginHeld, Publish, Refused
from p2preg.wire.messages import Gossip, Graft, IHave, Ping, Prune


def pushed_to(effects: list[object]) -> list[bytes]:
    return [effect.peer for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Gossip)]


# --- own batches ---


def test_the_first_own_batch_is_pushed_to_every_neighbour(bench: Bench) -> None:
    batch = batch_by(bench.me, 1)
    assert bench.tell(Publish(batch)) == [Send(peer, Gossip(batch.raw)) for peer in (ALICE, BOB, CAROL)]


def test_who_pruned_us_is_sent_announcements_instead(bench: Bench) -> None:
    bench.tell(Received(BOB, Prune([bench.me.public])))
    batch = batch_by(bench.me, 1)
    assert pushed_to(bench.tell(Publish(batch))) == [ALICE, CAROL]
    assert bench.wait(0.6) == [Send(BOB, IHave([announcement_of(batch)]))]


def test_announcements_wait_for_each_other_and_share_one_message(bench: Bench) -> None:
    bench.tell(Received(BOB, Prune([bench.me.public])))
    batches = [batch_by(bench.me, counter) for counter in (1, 2, 3)]
    for batch in batches:
        bench.tell(Publish(batch))
        assert bench.wait(0.09) == []
    assert bench.wait(0.6) == [Send(BOB, IHave([announcement_of(batch) for batch in batches]))]


def lazy_pair() -> tuple[Bench, Bench]:
    """Both ends of a link that is lazy for an origin: the one that announces first, and the other."""
    ends = [Bench(name=name) for name in ("one end", "other end")]
    for end, other in (ends, ends[::-1]):
        end.tell_all(NeighborUp(CAROL), NeighborUp(other.me.public), OriginHeld(ORIGIN.public))
        end.tell(Received(other.me.public, Prune([ORIGIN.public])))
        end.deliver(CAROL, batch_by(ORIGIN, 1))
    sent = [end.wait(0.3) for end in ends]
    assert sorted(map(len, sent)) == [0, 1]
    first, second = ends if sent[0] else ends[::-1]
    second.announce(first.me.public, batch_by(ORIGIN, 1))
    assert second.wait(5.0) == []
    first.wait(5.0)
    return first, second


def test_of_two_ends_that_hold_a_batch_only_one_announces_it() -> None:
    first, second = lazy_pair()
    for end in (first, second):
        end.deliver(CAROL, batch_by(ORIGIN, 2))
    [sent] = first.wait(0.3)
    assert sent == Send(second.me.public, IHave([announcement_of(batch_by(ORIGIN, 2))]))
    assert second.wait(0.3 - 0.01) == []
    second.tell(Received(first.me.public, sent.message))
    assert second.wait(5.0) == []


def test_the_end_that_goes_second_announces_what_the_first_does_not() -> None:
    first, second = lazy_pair()
    both, only_second = batch_by(ORIGIN, 2), batch_by(ORIGIN, 3)
    second.deliver(CAROL, both)
    second.deliver(CAROL, only_second)
    second.announce(first.me.public, both)
    assert second.wait(0.59) == []
    assert second.wait(0.01) == [Send(first.me.public, IHave([announcement_of(only_second)]))]


def test_a_registry_goes_first_on_about_half_of_its_links_whatever_its_id() -> None:
    lowest = min((f"registry {number}" for number in range(60)), key=lambda name: key_of(name).public)
    bench = Bench(name=lowest)
    peers = [key_of(f"peer {number}").public for number in range(40)]
    for peer in peers:
        bench.tell_all(NeighborUp(peer), Received(peer, Prune([bench.me.public])))
    bench.tell(Publish(batch_by(bench.me, 1)))
    assert 10 < len(bench.wait(0.3)) < 30


def test_a_late_neighbour_gets_own_batches_at_once(bench: Bench) -> None:
    bench.tell(Publish(batch_by(bench.me, 1)))
    bench.tell(NeighborUp(MALLORY))
    assert MALLORY in pushed_to(bench.tell(Publish(batch_by(bench.me, 2))))


# --- relaying ---


def test_a_batch_is_delivered_before_it_is_forwarded(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    assert bench.gossip(ALICE, batch) == [Deliver(ALICE, batch)]
    forwarded = [Send(peer, Gossip(batch.raw)) for peer in (BOB, CAROL)]
    assert bench.tell(Accepted(batch)) == [NewEpoch(ORIGIN.public, 1), *forwarded]


def test_a_refused_batch_goes_nowhere_and_ends_the_links_of_all_who_sent_it(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.gossip(ALICE, batch)
    bench.gossip(BOB, batch)
    effects = bench.tell(Refused(batch.batch_id))
    assert [effect.peer for effect in effects if isinstance(effect, Misbehaved)] == [ALICE, BOB]
    assert len(effects) == 2
    assert bench.core.statistics().cached == 0


def test_a_batch_under_verification_is_not_delivered_again(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.gossip(ALICE, batch)
    assert bench.gossip(BOB, batch) == []
    assert pushed_to(bench.tell(Accepted(batch))) == [CAROL]


def test_the_second_sender_of_a_batch_is_pruned_for_its_origin(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    assert bench.gossip(BOB, batch) == []
    assert bench.core.lazy(ORIGIN.public) == (BOB,)
    assert bench.core.eager(ORIGIN.public) == (ALICE, CAROL)
    assert bench.wait(0.3) == [Send(BOB, Prune([ORIGIN.public]))]
    assert BOB in bench.core.eager(bench.me.public)


def test_a_peer_is_pruned_once_a_second_at_most(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    for _ in range(5):
        bench.gossip(BOB, batch)
        bench.wait(0.15)
    assert bench.core.statistics().prunes_sent == 1
    bench.wait(1.0)
    bench.gossip(BOB, batch)
    bench.wait(0.3)
    assert bench.core.statistics().prunes_sent == 2


def test_a_crossing_batch_of_a_pruned_link_does_not_cost_us_the_parent(bench: Bench) -> None:
    first, second = batch_by(ORIGIN, 1), batch_by(ORIGIN, 2)
    bench.deliver(ALICE, first)
    bench.gossip(BOB, first)
    bench.deliver(BOB, second)  # was under way when the PRUNE left
    bench.gossip(ALICE, second)
    assert ALICE in bench.core.eager(ORIGIN.public)


def test_prunes_for_several_origins_share_one_message(bench: Bench) -> None:
    other = key_of("other origin")
    bench.tell(OriginHeld(other.public))
    for key in (ORIGIN, other):
        batch = batch_by(key, 1)
        bench.deliver(ALICE, batch)
        bench.gossip(BOB, batch)
    assert bench.wait(0.3) == [Send(BOB, Prune([ORIGIN.public, other.public]))]


def test_a_new_link_is_lazy_for_an_origin_heard_recently(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    bench.tell(NeighborUp(MALLORY))
    assert bench.core.lazy(ORIGIN.public) == (MALLORY,)


def test_a_new_link_is_eager_for_an_origin_long_silent(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    bench.wait(60.0)
    bench.tell(NeighborUp(MALLORY))
    assert MALLORY in bench.core.eager(ORIGIN.public)


def test_the_first_to_deliver_joins_the_tree(bench: Bench) -> None:
    bench.tell(Received(ALICE, Prune([ORIGIN.public])))
    assert ALICE in bench.core.lazy(ORIGIN.public)
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    assert ALICE in bench.core.eager(ORIGIN.public)


def test_a_graft_takes_back_a_prune_that_has_not_left(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.gossip(BOB, batch)
    bench.tell(Received(BOB, Graft([], [ORIGIN.public])))
    assert bench.wait(1.0) == []
    assert BOB in bench.core.eager(ORIGIN.public)


def test_our_own_graft_takes_back_a_prune_that_has_not_left(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    first, second = batch_by(ORIGIN, 2), batch_by(ORIGIN, 3)
    bench.announce(BOB, second)
    bench.wait(0.95)
    bench.deliver(ALICE, first)
    bench.gossip(BOB, first)
    assert bench.wait(0.5) == [Send(BOB, Graft([second.batch_id], [ORIGIN.public]))]


def test_a_new_link_stays_eager_for_our_own_batches_however_recent_the_last(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(bench.me, 1))  # as from another process with our key
    bench.tell(NeighborUp(MALLORY))
    assert MALLORY in bench.core.eager(bench.me.public)


# --- what is not relayed ---


def test_a_batch_of_an_older_epoch_is_dropped(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1, epoch=2))
    assert bench.gossip(BOB, batch_by(ORIGIN, 9, epoch=1)) == []


def test_another_batch_with_an_accepted_counter_is_dropped(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    assert bench.gossip(BOB, batch_by(ORIGIN, 1, cells=(b"another",))) == []


def test_a_batch_that_was_overtaken_by_a_new_epoch_during_verification_is_not_forwarded(bench: Bench) -> None:
    old, new = batch_by(ORIGIN, 7), batch_by(ORIGIN, 1, epoch=2)
    bench.gossip(ALICE, old)
    bench.deliver(ALICE, new)
    assert bench.tell(Accepted(old)) == []


@pytest.mark.parametrize("cells", [(b"a cell",), ()])
def test_a_batch_of_a_registry_not_held_is_shown_to_the_node_and_forgotten(
    bench: Bench, cells: tuple[bytes, ...]
) -> None:
    batch = batch_by(key_of("newcomer"), 1, cells=cells)
    assert bench.gossip(ALICE, batch) == [UnknownOrigin(ALICE, batch)]
    bench.tell(OriginHeld(batch.origin))
    assert bench.gossip(ALICE, batch) == [Deliver(ALICE, batch)]


def test_a_dropped_origin_leaves_nothing_behind(bench: Bench) -> None:
    bench.announce(ALICE, batch_by(ORIGIN, 1))
    batch = batch_by(ORIGIN, 2)
    bench.gossip(BOB, batch)
    bench.tell(OriginDropped(ORIGIN.public))
    assert bench.tell(Accepted(batch)) == []
    assert bench.wait(10.0) == []
    statistics = bench.core.statistics()
    assert (statistics.origins, statistics.missing, statistics.pending) == (1, 0, 0)


def test_a_dropped_origin_takes_its_waiting_prunes_along(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.gossip(BOB, batch)
    bench.tell(OriginDropped(ORIGIN.public))
    assert bench.wait(1.0) == []


def test_our_own_origin_is_never_dropped(bench: Bench) -> None:
    bench.tell(OriginDropped(bench.me.public))
    assert bench.core.eager(bench.me.public) == (ALICE, BOB, CAROL)


def test_bytes_that_are_no_batch_of_this_network_end_the_link(bench: Bench) -> None:
    [effect] = bench.tell(Received(ALICE, Gossip(b"\x80")))
    assert isinstance(effect, Misbehaved)
    assert effect.peer == ALICE


def test_a_stranger_changes_nothing(bench: Bench) -> None:
    before = bench.core.statistics()
    batch = batch_by(ORIGIN, 1)
    bench.tell(Received(MALLORY, Graft([], [ORIGIN.public, bench.me.public])))
    bench.tell(Received(MALLORY, Prune([ORIGIN.public])))
    assert bench.gossip(MALLORY, batch) == []
    assert bench.announce(MALLORY, batch) == []
    assert bench.tell(Received(MALLORY, Gossip(b"\x80"))) == []
    assert bench.core.statistics() == before
    assert bench.wait(10.0) == []


def test_other_messages_of_a_neighbour_are_not_our_business(bench: Bench) -> None:
    assert bench.tell(Received(ALICE, Ping(1))) == []


def test_an_event_of_another_core_is_our_own_bug(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="no rule"):
        bench.core.handle("anything", bench.now)
