"""Whole sessions between registries that hold cells in dictionaries: both end up with the union."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, deque
from dataclasses import dataclass
from functools import cached_property

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.effects import Schedule, Send
from p2preg.base.events import Expired, PeerDown, PeerUp
from p2preg.base.timers import TimerQueue
from p2preg.reconcile.config import ReconcileConfig
from p2preg.reconcile.core import ReconcileCore
from p2preg.reconcile.dialogue import PUSHES_MAX
from p2preg.reconcile.digests import SHARDS, Digests
from p2preg.reconcile.effects import Offer, SessionEnded
from p2preg.reconcile.events import Asked, Offered, Reconcile
from p2preg.wire.messages import PushCells, decode_message, encode_message

NOW_MS = 1_800_000_000_000
ALICE, BOB, CAROL = b"a" * 32, b"b" * 32, b"c" * 32


@dataclass(frozen=True)
class Cell:
    """A stand-in for a signed cell: the greater seq wins, and it ends `life_ms` after its seq."""

    kind: int
    subject: int
    seq: int = NOW_MS - 60_000
    life_ms: int = 1_800_000
    size: int = 40

    @cached_property
    def raw(self) -> bytes:
        head = bytes([self.kind]) + self.subject.to_bytes(4) + self.seq.to_bytes(8) + self.life_ms.to_bytes(8)
        return head.ljust(self.size, b".")

    @cached_property
    def key(self) -> bytes:
        return self.raw[:5]

    @property
    def end_ms(self) -> int:
        return self.seq + self.life_ms

    @classmethod
    def read(cls, raw: bytes) -> Cell:
        return cls(raw[0], int.from_bytes(raw[1:5]), int.from_bytes(raw[5:13]), int.from_bytes(raw[13:21]), len(raw))


class Registry:
    """A core with the little of a node around it that it needs."""

    def __init__(self, identity: bytes, cells: list[Cell], config: ReconcileConfig, skew_ms: int = 0) -> None:
        self.identity = identity
        self.skew_ms = skew_ms
        self.cells: dict[bytes, Cell] = {}
        self.digests = Digests()
        self.taken: Counter[bytes] = Counter()
        self.timers = TimerQueue()
        self.ended: list[SessionEnded] = []
        self.core = ReconcileCore(self.digests, random.Random(7), config, self.fetch)
        for cell in cells:
            self.merge(cell)

    def fetch(self, key: bytes) -> bytes | None:
        return self.cells[key].raw if key in self.cells else None

    def merge(self, cell: Cell) -> bool:
        held = self.cells.get(cell.key)
        if held is not None and (held.seq, held.raw) >= (cell.seq, cell.raw):
            return False
        self.cells[cell.key] = cell
        shard = int.from_bytes(hashlib.sha256(cell.key[1:]).digest()[:2]) >> 4
        self.digests.add(cell.kind, shard, cell.key, hashlib.sha256(cell.raw).digest(), cell.end_ms)
        return True


class Network:
    """Delivers at once and in order; time passes only when nothing else is left to happen."""

    def __init__(self, *registries: Registry) -> None:
        self.now = 0.0
        self.registries = {registry.identity: registry for registry in registries}
        self.queue: deque[tuple[bytes, object]] = deque()
        self.bytes = 0
        self.frame_bytes_max = 0
        self.pushes_in_a_row: Counter[bytes] = Counter()
        self.pushes_in_a_row_max = 0
        self.before_delivery = lambda: None
        for registry in registries:
            for other in registries:
                if other is not registry:
                    self.queue.append((registry.identity, PeerUp(other.identity, True)))
        self.run()

    def session(self, alice: bytes, bob: bytes) -> SessionEnded:
        starter = self.registries[alice]
        self.queue.append((alice, Reconcile(bob, NOW_MS + starter.skew_ms)))
        self.run()
        return starter.ended[-1]

    def run(self) -> None:
        while self.queue or self._pass_time():
            to, event = self.queue.popleft()
            registry = self.registries[to]
            for effect in registry.core.handle(event, self.now):
                self._carry_out(registry, effect)
            registry.core.check_invariants()

    def _carry_out(self, registry: Registry, effect: object) -> None:
        match effect:
            case Send(peer, message):
                body = encode_message(message)
                self.bytes += len(body)
                self.frame_bytes_max = max(self.frame_bytes_max, len(body))
                in_a_row = self.pushes_in_a_row[registry.identity] + 1 if isinstance(message, PushCells) else 0
                self.pushes_in_a_row[registry.identity] = in_a_row
                self.pushes_in_a_row_max = max(self.pushes_in_a_row_max, in_a_row)
                self.before_delivery()
                receiver = self.registries[peer]
                arrived = Asked(registry.identity, decode_message(body), NOW_MS + receiver.skew_ms)
                self.queue.append((peer, arrived))
            case Offer(_, session, cells):
                merged = [cell for cell in map(Cell.read, cells) if registry.merge(cell)]
                registry.taken.update(cell.raw for cell in merged)
                repaired = sum(cell.seq < NOW_MS - 60_000 for cell in merged)
                self.queue.append((registry.identity, Offered(session, len(merged), repaired)))
            case Schedule(at, timer):
                registry.timers.set(timer, at)
            case SessionEnded():
                registry.ended.append(effect)
            case _:
                pytest.fail(f"an honest peer caused {effect}")

    def _pass_time(self) -> bool:
        running = [registry for registry in self.registries.values() if registry.core.statistics().running]
        if not running:
            return False
        self.now = min(registry.timers.next_deadline() for registry in running)
        for registry in running:
            self.queue += [(registry.identity, Expired(timer)) for timer in registry.timers.pop_due(self.now)]
        return True


def pair(
    ours: list[Cell], theirs: list[Cell], config: ReconcileConfig | None = None, skew_ms: int = 0
) -> tuple[Registry, Registry, Network]:
    config = config or ReconcileConfig()
    alice, bob = Registry(ALICE, ours, config), Registry(BOB, theirs, config, skew_ms)
    return alice, bob, Network(alice, bob)


def union(*sides: list[Cell]) -> dict[bytes, Cell]:
    best: dict[bytes, Cell] = {}
    for cell in (cell for side in sides for cell in side):
        if cell.key not in best or (cell.seq, cell.raw) > (best[cell.key].seq, best[cell.key].raw):
            best[cell.key] = cell
    return best


def many(kind: int, first: int, count: int, **fields: int) -> list[Cell]:
    return [Cell(kind, subject, **fields) for subject in range(first, first + count)]


cells = st.lists(
    st.builds(
        Cell,
        kind=st.integers(1, 3),
        subject=st.integers(0, 60),
        seq=st.integers(NOW_MS - 100_000, NOW_MS),
        size=st.sampled_from([25, 300, 4096]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(ours=cells, theirs=cells, both=cells)
def test_after_a_session_both_hold_the_union(ours: list[Cell], theirs: list[Cell], both: list[Cell]) -> None:
    alice, bob, network = pair(ours + both, theirs + both)
    ended = network.session(ALICE, BOB)
    assert ended.ok
    assert alice.cells == bob.cells == union(ours, theirs, both)
    assert network.session(BOB, ALICE).equal_at_start
    assert network.frame_bytes_max <= 60_000


def test_large_sets_with_few_differences_exchange_little_more_than_these() -> None:
    common = many(3, 0, 3_000)
    alice, bob, network = pair(common + many(3, 10_000, 10), common + many(3, 20_000, 10))
    ended = network.session(ALICE, BOB)
    assert (ended.ok, ended.received, ended.pushed, ended.repaired) == (True, 10, 10, 0)
    assert alice.cells == bob.cells
    assert network.bytes < 40_000, f"3 020 cells are 120 kB, {network.bytes} were exchanged"


def test_a_newer_version_replaces_the_older_whichever_side_has_it() -> None:
    old, new = many(2, 0, 500, seq=NOW_MS - 9_000), many(2, 0, 500, seq=NOW_MS - 5_000)
    alice, bob, network = pair(new[:250] + old[250:], old[:250] + new[250:])
    assert network.session(ALICE, BOB).ok
    assert list(alice.cells.values()) == new
    assert bob.cells == alice.cells


def test_equal_sets_end_in_one_exchange_of_less_than_a_kilobyte() -> None:
    held = many(1, 0, 40) + many(2, 0, 900) + many(3, 0, 900)
    _, _, network = pair(held, held)
    ended = network.session(ALICE, BOB)
    assert ended == SessionEnded(BOB, True, 0, 0, 0, equal_at_start=True)
    assert network.bytes <= 1_000


@pytest.mark.parametrize("ours", [0, 300])
def test_one_that_holds_little_takes_a_stream_and_then_pushes_what_is_its_own(ours: int) -> None:
    theirs = many(1, 0, 40) + many(3, 0, 1_000, size=300) + many(2, 0, 1_000, size=600, seq=NOW_MS - 90_000)
    alice, bob, network = pair(many(3, 5_000, ours), theirs)
    ended = network.session(ALICE, BOB)
    assert (ended.ok, ended.received, ended.pushed, ended.repaired) == (True, 2_040, ours, 1_000)
    assert alice.cells == bob.cells == union(theirs, many(3, 5_000, ours))
    assert network.frame_bytes_max <= 60_000
    assert network.bytes < 1.1 * (1_000 * 900 + 300 * 300 + 2_000)


def test_one_that_holds_much_pushes_all_of_it_to_one_that_holds_nothing() -> None:
    ours = many(1, 0, 3) + many(3, 0, 800, size=4_096)
    alice, bob, network = pair(ours, [])
    ended = network.session(ALICE, BOB)
    assert (ended.ok, ended.pushed) == (True, 803)
    assert network.pushes_in_a_row_max == PUSHES_MAX, "an outbox holds a few frames, not 3 MB"
    assert bob.cells == alice.cells


def test_a_push_beyond_its_bound_is_left_to_the_peer_and_fails_nothing() -> None:
    alice, bob, network = pair(many(3, 0, 800, size=4_096), [], ReconcileConfig(push_bytes_max=200_000))
    assert network.session(ALICE, BOB).ok
    assert 0 < len(bob.cells) < 60
    assert network.session(BOB, ALICE).ok
    assert bob.cells == alice.cells


def test_one_shard_may_hold_more_elements_than_one_page() -> None:
    config = ReconcileConfig(stream_min=10**9)
    alice, bob, network = pair(many(3, 0, 40), [], config)
    for registry, first, count in ((alice, 0, 1_700), (bob, 1_600, 1_700)):
        for cell in many(3, first, count):
            registry.cells[cell.key] = cell
            registry.digests.add(3, 77, cell.key, hashlib.sha256(cell.raw).digest(), cell.end_ms)
    ended = network.session(ALICE, BOB)
    assert (ended.ok, ended.received) == (True, 1_600)
    assert alice.cells == bob.cells


def test_a_busy_peer_is_asked_again_until_it_answers() -> None:
    config = ReconcileConfig(rate=3.0, burst=3.0)
    alice, bob, network = pair(many(3, 0, 200), many(3, 50, 250), config)
    assert network.session(ALICE, BOB).ok
    assert bob.core.statistics().refused > 0
    assert network.now > 0.0
    assert alice.cells == bob.cells


@pytest.mark.parametrize("skew_ms", [-599_000, 599_000])
def test_cells_that_had_ended_are_not_exchanged_whatever_the_peers_clock_says(skew_ms: int) -> None:
    ended = many(3, 0, 100, seq=NOW_MS - 1_800_000)
    live = many(3, 200, 100, seq=NOW_MS - 1_799_999)
    alice, bob, network = pair(ended[:50] + live[:60], ended[20:] + live[40:], skew_ms=skew_ms)
    assert network.session(ALICE, BOB).ok
    assert alice.cells == union(ended[:50], live)
    assert bob.cells == union(ended[20:], live)
    assert network.session(ALICE, BOB).equal_at_start


def test_clocks_more_than_ten_minutes_apart_do_not_reconcile() -> None:
    alice, _, network = pair(many(3, 0, 5), many(3, 5, 5), skew_ms=600_001)
    assert not network.session(ALICE, BOB).ok
    assert len(alice.cells) == 5


def test_a_stream_that_was_cut_is_resumed_by_the_next_session_with_another_peer() -> None:
    held = many(3, 0, 2_000, size=300)
    config = ReconcileConfig(requests_max=6)
    alice = Registry(ALICE, [], config)
    network = Network(alice, Registry(BOB, held, config), Registry(CAROL, held, config))
    assert not network.session(ALICE, BOB).ok
    after_bob = len(alice.cells)
    assert 0 < after_bob < 1_000
    assert not network.session(ALICE, CAROL).ok
    assert len(alice.cells) > after_bob
    assert max(alice.taken.values()) == 1


def test_three_that_reconcile_while_cells_arrive_settle_without_passing_any_cell_twice() -> None:
    rng = random.Random(11)
    registries = [Registry(name, many(3, first, 300), ReconcileConfig()) for name, first in
                  ((ALICE, 0), (BOB, 200), (CAROL, 400))]  # fmt: skip
    network = Network(*registries)
    fresh = iter(many(3, 10_000, 20, seq=NOW_MS) + many(3, 0, 20, seq=NOW_MS - 1))

    def gossip() -> None:
        """A new cell reaches two of the three while sessions are under way."""
        cell = next(fresh, None)
        for registry in rng.sample(registries, 2) if cell else ():
            registry.merge(cell)

    network.before_delivery = gossip
    for starter, peer in [(ALICE, BOB), (BOB, CAROL), (CAROL, ALICE)]:
        network.queue.append((starter, Reconcile(peer, NOW_MS)))
    network.run()
    assert network.registries[ALICE].core.statistics().completed == 1
    network.before_delivery = lambda: None
    for starter, peer in [(ALICE, BOB), (BOB, CAROL), (CAROL, ALICE), (ALICE, BOB)]:
        network.session(starter, peer)
    assert registries[0].cells == registries[1].cells == registries[2].cells
    assert len(registries[0].cells) == 720
    for registry in registries:
        assert max(registry.taken.values()) == 1, "a cell was merged twice"
    assert network.session(BOB, ALICE).equal_at_start


def test_a_link_that_goes_down_ends_its_session_only() -> None:
    config = ReconcileConfig()
    alice = Registry(ALICE, [], config)
    network = Network(alice, Registry(BOB, many(3, 0, 100), config), Registry(CAROL, many(3, 50, 100), config))
    network.queue.extend([(ALICE, Reconcile(BOB, NOW_MS)), (ALICE, Reconcile(CAROL, NOW_MS)), (ALICE, PeerDown(BOB))])
    network.run()
    assert [(ended.peer, ended.ok) for ended in alice.ended] == [(BOB, False), (CAROL, True)]
    assert alice.digests.fingerprint(3, 0, SHARDS, NOW_MS).count == 100
