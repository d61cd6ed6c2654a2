"""When a node reconciles with whom, and when it says that it is synced."""

from __future__ import annotations

from random import Random

from p2preg.base.limits import RECONCILE_SESSIONS_MAX
from p2preg.node.sync import AGAIN_SECONDS, FOLLOW_UPS_MAX, IN_VAIN_SECONDS, RESULTS_MAX, UNKNOWN_SECONDS, SyncStatus

ALICE, BOB, CAROL = b"a" * 32, b"b" * 32, b"c" * 32
INTERVAL = 30.0


def status(*peers: bytes) -> SyncStatus:
    sync = SyncStatus(INTERVAL, Random(1), 0.0)
    for peer in peers:
        sync.peer_up(peer, 0.0)
    return sync


def session(sync: SyncStatus, now: float, ok: bool = True, moved: int = 0, repaired: int = 0) -> bytes:
    """One that is due, and how it ended."""
    peer = sync.due(now)
    assert peer is not None
    sync.ended(peer, ok, moved + repaired, repaired, now)
    return peer


def test_the_first_peer_is_asked_at_once_and_then_a_second_one() -> None:
    sync = status(ALICE, BOB)
    first = session(sync, 0.0)
    assert sync.next_at == AGAIN_SECONDS
    assert not sync.synced(0.0, has_peers=True)
    assert session(sync, AGAIN_SECONDS) != first
    assert sync.synced(1.0, has_peers=True)


def test_once_synced_a_session_takes_place_every_30_s_give_or_take_a_half() -> None:
    sync, now = status(ALICE, BOB), 0.0
    for _ in range(3):
        session(sync, now)
        now = sync.next_at
    pauses = []
    for _ in range(200):
        session(sync, now)
        pauses.append(sync.next_at - now)
        now = sync.next_at
    assert INTERVAL / 2 <= min(pauses) < 17.0
    assert 43.0 < max(pauses) <= INTERVAL * 1.5


def test_the_only_peer_suffices() -> None:
    sync = status(ALICE)
    session(sync, 0.0)
    assert sync.synced(0.0, has_peers=True)


def test_a_repair_is_followed_by_another_session_and_means_not_synced() -> None:
    sync = status(ALICE, BOB)
    session(sync, 0.0)
    session(sync, 1.0, repaired=3)
    assert not sync.synced(1.0, has_peers=True)
    assert sync.next_at == 1.0 + AGAIN_SECONDS
    session(sync, 2.0)
    session(sync, 3.0)
    assert sync.synced(3.0, has_peers=True)


def test_young_cells_that_a_session_moved_bring_a_few_more_and_do_not_mean_not_synced() -> None:
    sync, now, pauses = status(ALICE, BOB), 0.0, []
    for at in range(3 + 2 * FOLLOW_UPS_MAX):
        session(sync, now, moved=min(at // 2, 1))  # from the third on
        pauses.append(sync.next_at - now)
        now = sync.next_at
    assert sync.synced(now, has_peers=True)
    assert pauses[2 : 2 + FOLLOW_UPS_MAX] == [AGAIN_SECONDS] * FOLLOW_UPS_MAX
    assert pauses[2 + FOLLOW_UPS_MAX] >= INTERVAL / 2, "on a busy network every session moves something"
    assert pauses[3 + FOLLOW_UPS_MAX] == AGAIN_SECONDS, "the next one in turn begins anew"


def test_a_session_that_failed_says_nothing() -> None:
    sync = status(ALICE)
    session(sync, 0.0, ok=False)
    assert not sync.synced(0.0, has_peers=True)
    session(sync, 1.0)
    assert sync.synced(1.0, has_peers=True)


def test_whoever_has_no_peers_is_synced_and_whoever_reached_none_is_not_for_half_an_hour() -> None:
    sync = status()
    assert sync.synced(0.0, has_peers=False)
    assert not sync.synced(IN_VAIN_SECONDS, has_peers=True)
    assert sync.synced(IN_VAIN_SECONDS + 1, has_peers=True)


def test_with_nobody_to_ask_it_looks_again_soon() -> None:
    sync = status()
    assert sync.due(5.0) is None
    assert sync.next_at == 5.0 + AGAIN_SECONDS


def test_a_peer_is_not_asked_twice_at_a_time() -> None:
    sync = status(ALICE)
    assert sync.due(0.0) == ALICE
    assert sync.due(50.0) is None
    sync.peer_down(ALICE)
    sync.peer_up(ALICE, 60.0)
    assert sync.due(60.0) == ALICE


def test_no_more_are_asked_at_a_time_than_there_can_be_sessions_and_all_in_the_end() -> None:
    peers = [bytes([number]) * 32 for number in range(2 * RECONCILE_SESSIONS_MAX)]
    sync = status(*peers)
    asked = [sync.due(AGAIN_SECONDS * at) for at in range(2 * RECONCILE_SESSIONS_MAX)]
    running = [peer for peer in asked if peer is not None]
    assert len(running) == RECONCILE_SESSIONS_MAX
    for peer in running:
        sync.ended(peer, True, 1, 1, 100.0)
    later = {session(sync, 200.0 + at, repaired=1) for at in range(RECONCILE_SESSIONS_MAX)}
    assert later | set(running) == set(peers)


def test_something_missed_brings_the_next_session_forward_but_not_on_top_of_the_last() -> None:
    sync = status(ALICE)
    session(sync, 0.0)
    sync.soon(0.1)
    assert sync.next_at == AGAIN_SECONDS
    session(sync, AGAIN_SECONDS)
    sync.soon(10.0)
    assert sync.next_at == 10.0


def test_the_results_of_many_peers_are_forgotten_in_the_end() -> None:
    sync = status()
    for number in range(RESULTS_MAX + 5):
        sync.ended(number.to_bytes(32), True, 0, 0, float(number))
    assert len(sync._clean) == RESULTS_MAX


def test_a_session_that_failed_is_made_up_for_with_another_peer_ever_more_slowly() -> None:
    sync, now = status(ALICE, BOB), 0.0
    for _ in range(3):
        session(sync, now)
        now = sync.next_at
    sync.soon(now := sync.next_at - 10.0)  # before that, all is well
    pauses = []
    for _ in range(8):
        session(sync, now, ok=False)
        pauses.append(sync.next_at - now)
        now = sync.next_at
    assert pauses[:3] == [2 * AGAIN_SECONDS, 4 * AGAIN_SECONDS, 8 * AGAIN_SECONDS]
    assert max(pauses) <= 32 * AGAIN_SECONDS
    session(sync, now)
    assert sync.next_at - now >= INTERVAL / 2


def test_a_peer_whose_sessions_fail_is_not_asked_before_the_others() -> None:
    sync, now, asked = status(ALICE, BOB, CAROL), 0.0, list[bytes]()
    for _ in range(300):
        peer = sync.due(now)
        assert peer is not None
        asked.append(peer)
        sync.ended(peer, peer != ALICE, 0, 0, now)
        now = sync.next_at
    assert 60 < asked.count(ALICE) < 140


def test_batches_of_registries_that_are_not_held_bring_a_session_every_10_s_at_most() -> None:
    sync, now = status(ALICE, BOB), 0.0
    for _ in range(3):
        session(sync, now)
        now = sync.next_at
    now -= 14.0
    sync.met_unknown(now)
    assert sync.next_at == now
    session(sync, now)
    sync.met_unknown(now + UNKNOWN_SECONDS - 1)
    assert sync.next_at >= now + INTERVAL / 2
    sync.met_unknown(now + UNKNOWN_SECONDS)
    assert sync.next_at == now + UNKNOWN_SECONDS
