"""How the broadcast core repairs: announcements, gaps, and what bounds them."""

from __future__ import annotations

import pytest
from broadcast_harness import ALICE, BOB, CAROL, MALLORY, NETWORK, ORIGIN, Bench, announcement_of, batch_by, key_of

from p2preg.base.effects import Send
from p2preg.base.errors import ConfigError
from p2preg.base.events import NeighborUp, Received
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.core import BroadcastCore
from p2preg.broadcast.effects import Deliver, Gap, NewEpoch
from p2preg.broadcast.events import Accepted, OriginHeld, Publish, Refused
from p2preg.wire.messages import Graft, IHave, Prune

# --- announcements ---


def test_what_a_neighbour_announces_is_not_announced_back(bench: Bench) -> None:
    bench.tell(Received(BOB, Prune([ORIGIN.public])))
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.announce(BOB, batch)
    assert bench.wait(1.0) == []


def test_who_announced_a_batch_before_or_during_its_verification_is_not_told_of_it(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.announce(BOB, batch)
    bench.gossip(ALICE, batch)
    bench.announce(CAROL, batch)
    assert bench.tell(Accepted(batch)) == [NewEpoch(ORIGIN.public, 1)]
    assert bench.wait(1.0) == []


def test_who_sends_what_waits_to_be_announced_to_it_is_not_told_of_it(bench: Bench) -> None:
    bench.tell(Received(BOB, Prune([ORIGIN.public])))
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.gossip(BOB, batch)
    assert bench.wait(1.0) == [Send(BOB, Prune([ORIGIN.public]))]


def test_an_announcement_that_crossed_our_graft_does_not_undo_it(bench: Bench) -> None:
    first, second = batch_by(ORIGIN, 1), batch_by(ORIGIN, 2)
    bench.announce(BOB, first)
    bench.wait(1.0)
    bench.announce(BOB, second)
    assert BOB in bench.core.eager(ORIGIN.public)


def test_an_announcer_that_was_asked_is_not_asked_again(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    batch = batch_by(ORIGIN, 2)
    bench.announce(BOB, batch)
    bench.wait(1.0)
    bench.announce(BOB, batch)
    assert bench.wait(0.5) == [Gap(ORIGIN.public, 1, 2, 2)]


def test_the_wait_for_announced_batches_follows_the_tree_not_the_answers(bench: Bench) -> None:
    for counter in range(1, 17):
        bench.deliver(ALICE, batch_by(ORIGIN, counter))
    assert bench.core.statistics().graft_timeout == 0.25
    for counter in range(17, 49):
        batch = batch_by(ORIGIN, counter)
        bench.announce(BOB, batch)
        bench.wait(0.44)
        bench.deliver(BOB, batch)  # grafted at 0.25
    assert bench.core.statistics().graft_timeout == 0.25


def test_announcements_for_a_registry_not_held_or_of_an_old_epoch_are_ignored(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1, epoch=2))
    bench.announce(BOB, batch_by(key_of("newcomer"), 1), batch_by(ORIGIN, 5, epoch=1))
    assert bench.core.statistics().missing == 0


def test_one_peer_cannot_fill_the_table_of_missing_batches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.missing.ANNOUNCED_PER_PEER_MAX", 4)
    bench.announce(BOB, *(batch_by(ORIGIN, counter) for counter in range(1, 8)))
    assert bench.core.statistics().missing == 4
    bench.announce(CAROL, batch_by(ORIGIN, 6))
    assert bench.core.statistics().missing == 5


def test_a_peer_has_its_share_of_missing_batches_back_when_they_come(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2preg.broadcast.missing.ANNOUNCED_PER_PEER_MAX", 1)
    for counter in (1, 2, 3):
        batch = batch_by(ORIGIN, counter)
        bench.announce(BOB, batch)
        assert bench.core.statistics().missing == 1
        bench.deliver(ALICE, batch)


def test_beyond_the_cap_announcements_are_not_remembered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.missing.ANNOUNCED_MAX", 4)
    for peer, counters in ((BOB, (1, 2, 3)), (CAROL, (4, 5, 6))):
        bench.announce(peer, *(batch_by(ORIGIN, counter) for counter in counters))
    assert bench.core.statistics().missing == 4
    bench.wait(5.0)
    assert bench.core.statistics().missing == 0


def test_who_breaks_many_promises_leaves_the_trees_and_is_not_listened_to_for_a_minute(bench: Bench) -> None:
    lies = [batch_by(ORIGIN, counter) for counter in range(2, 42)]
    bench.announce(MALLORY, lies[0])  # not yet a neighbour
    bench.tell(NeighborUp(MALLORY))
    bench.announce(MALLORY, *lies)
    bench.wait(2.0)
    assert MALLORY in bench.core.lazy(ORIGIN.public)
    bench.announce(MALLORY, batch_by(ORIGIN, 50))
    assert bench.core.statistics().missing == 0
    assert bench.core.statistics().gaps == 0
    bench.wait(60.0)
    bench.announce(MALLORY, batch_by(ORIGIN, 50))
    assert bench.core.statistics().missing == 1


def test_who_was_found_out_is_not_asked_for_its_other_promises(bench: Bench) -> None:
    bench.announce(BOB, *(batch_by(ORIGIN, counter) for counter in range(2, 34)))
    bench.wait(0.6)
    bench.announce(BOB, *(batch_by(ORIGIN, counter) for counter in range(34, 40)))
    bench.wait(5.0)
    statistics = bench.core.statistics()
    assert (statistics.grafts_sent, statistics.broken_promises, statistics.missing) == (32, 32, 0)


# --- gaps ---


def test_a_counter_that_does_not_come_is_reported_after_waiting(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    bench.deliver(ALICE, batch_by(ORIGIN, 4))
    assert bench.wait(4.9) == []
    assert bench.wait(0.1) == [Gap(ORIGIN.public, 1, 2, 3)]


def test_a_counter_that_comes_late_is_no_gap(bench: Bench) -> None:
    for counter in (1, 4, 3, 2):
        bench.deliver(ALICE, batch_by(ORIGIN, counter))
    assert bench.wait(10.0) == []


def test_what_came_before_we_first_heard_an_origin_is_no_gap(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1000))
    assert bench.wait(10.0) == []


def test_batches_that_nobody_sends_are_one_gap_not_many(bench: Bench) -> None:
    bench.announce(BOB, batch_by(ORIGIN, 1), batch_by(ORIGIN, 2))
    bench.announce(CAROL, batch_by(ORIGIN, 1), batch_by(ORIGIN, 2))
    assert [effect for effect in bench.wait(5.0) if isinstance(effect, Gap)] == [Gap(ORIGIN.public, 1, 1, 1)]


def test_a_gap_soon_after_another_is_reported_later_and_not_forgotten(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    bench.announce(BOB, batch_by(ORIGIN, 2))
    bench.wait(1.5)
    assert bench.core.statistics().gaps == 1
    bench.deliver(ALICE, batch_by(ORIGIN, 3))
    bench.deliver(ALICE, batch_by(ORIGIN, 5))
    assert bench.wait(9.9) == []
    assert bench.wait(0.1) == [Gap(ORIGIN.public, 1, 2, 4)]


def test_gaps_of_one_origin_are_reported_every_ten_seconds_at_most(bench: Bench) -> None:
    reports = []
    for counter in range(1, 41, 2):
        bench.deliver(ALICE, batch_by(ORIGIN, counter))
        reports += bench.wait(1.0)
    reports += bench.wait(20.0)
    assert len(reports) <= 4
    assert {at for gap in reports for at in range(gap.low, gap.high + 1)} >= set(range(2, 39, 2))


def test_what_is_missing_of_an_epoch_that_ends_is_reported_at_once(bench: Bench) -> None:
    bench.deliver(ALICE, batch_by(ORIGIN, 1))
    bench.deliver(ALICE, batch_by(ORIGIN, 3))
    batch = batch_by(ORIGIN, 1, epoch=2)
    bench.gossip(ALICE, batch)
    assert bench.tell(Accepted(batch))[:2] == [NewEpoch(ORIGIN.public, 2), Gap(ORIGIN.public, 1, 2, 2)]


# --- caps ---


def test_only_so_many_batches_of_one_peer_wait_for_verification(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.pending.PENDING_PER_PEER_MAX", 2)
    effects = [bench.gossip(ALICE, batch_by(ORIGIN, counter)) for counter in (1, 2, 3)]
    assert [len(each) for each in effects] == [1, 1, 0]
    assert len(bench.gossip(BOB, batch_by(ORIGIN, 3))) == 1
    bench.tell(Refused(batch_by(ORIGIN, 1).batch_id))
    assert len(bench.gossip(ALICE, batch_by(ORIGIN, 4))) == 1


def test_only_so_many_bytes_wait_for_verification(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = batch_by(ORIGIN, 1), batch_by(ORIGIN, 2)
    monkeypatch.setattr("p2preg.broadcast.pending.PENDING_BYTES_MAX", len(first.raw) + 10)
    assert bench.gossip(ALICE, first) == [Deliver(ALICE, first)]
    assert bench.gossip(BOB, second) == []
    assert bench.core.statistics().overflowed == 1
    bench.tell(Accepted(first))
    assert bench.gossip(BOB, second) == [Deliver(BOB, second)]


def test_a_batch_whose_id_was_forgotten_is_still_not_delivered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.core.SEEN_BATCHES_MAX", 1)
    bench = Bench()
    bench.tell_all(NeighborUp(ALICE), OriginHeld(ORIGIN.public))
    batches = [batch_by(ORIGIN, counter) for counter in (1, 2)]
    for batch in batches:
        bench.deliver(ALICE, batch)
    assert bench.core.statistics().seen == 1
    assert bench.gossip(ALICE, batches[0]) == []


def test_a_batch_replayed_after_its_id_has_expired_is_not_delivered_twice(bench: Bench) -> None:
    batch = batch_by(ORIGIN, 1)
    bench.deliver(ALICE, batch)
    bench.wait(601.0)
    assert bench.gossip(BOB, batch) == []


def test_of_too_many_waiting_announcements_the_latest_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.link.ANNOUNCEMENTS_QUEUED_MAX", 2)
    bench = Bench()
    bench.tell_all(NeighborUp(BOB), Received(BOB, Prune([bench.me.public])))
    batches = [batch_by(bench.me, counter) for counter in (1, 2, 3)]
    bench.tell_all(*map(Publish, batches))
    assert bench.wait(0.6) == [Send(BOB, IHave([announcement_of(batch) for batch in batches[1:]]))]


def test_what_of_graft_answers_is_forgotten_may_be_answered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.core.GRAFT_ANSWERS_KEPT_MAX", 1)
    bench = Bench()
    bench.tell_all(NeighborUp(BOB), *(Publish(batch_by(bench.me, counter)) for counter in (1, 2)))
    first, second = (Graft([batch_by(bench.me, counter).batch_id], []) for counter in (1, 2))
    for _ in range(3):
        bench.tell(Received(BOB, first))
    assert bench.tell(Received(BOB, first)) == []
    bench.tell(Received(BOB, second))
    assert len(bench.tell(Received(BOB, first))) == 1


def test_further_neighbours_and_origins_than_the_caps_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.broadcast.core.BROADCAST_NEIGHBORS_MAX", 2)
    monkeypatch.setattr("p2preg.broadcast.core.BROADCAST_ORIGINS_MAX", 2)
    bench = Bench()
    bench.tell_all(*(NeighborUp(peer) for peer in (ALICE, BOB, CAROL)))
    bench.tell_all(*(OriginHeld(peer) for peer in (ALICE, BOB, CAROL)))
    statistics = bench.core.statistics()
    assert (statistics.neighbors, statistics.origins) == (2, 2)


def test_the_configured_numbers_must_fit_together() -> None:
    with pytest.raises(ConfigError, match="gap_patience"):
        BroadcastCore(ALICE, NETWORK, BroadcastConfig(gap_patience=1.0))
    with pytest.raises(ConfigError, match="graft timeouts"):
        BroadcastCore(ALICE, NETWORK, BroadcastConfig(graft_timeout_min=3.0))
