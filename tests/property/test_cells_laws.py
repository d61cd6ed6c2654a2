"""The laws of the held cells, against a model that recomputes from the whole set what can be seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, Cell, sign_cell
from p2preg.cells.changes import Change, Outcome
from p2preg.cells.held import AHEAD_MS, HeldCells
from p2preg.cells.lease import LeaseBody, Proof
from p2preg.cells.network import NetworkFile
from p2preg.cells.places import rank
from p2preg.crypto.keys import IdentityKey

MINUTE = 60_000
T = 1_800_000_000_000
NETWORK = NetworkFile("laws", {REGISTRY: 7 * MINUTE, ADVERT: 12 * MINUTE, LEASE: 5 * MINUTE}, max_registries=2, slots=2)
HOMES = [IdentityKey(hashlib.sha256(f"home {number}".encode()).digest()) for number in range(3)]
NODES = [IdentityKey(hashlib.sha256(f"node {number}".encode()).digest()) for number in range(2)]

Shown = dict[bytes, Cell]


class Spec(NamedTuple):
    """What a cell is made of. `version` gives a cheating writer two cells with one seq; slot 2 is beyond the limit."""

    kind: int
    home: int
    node: int
    slot: int
    minute: int
    version: int


@cache
def cell(spec: Spec) -> Cell:
    home, node, seq = HOMES[spec.home], NODES[spec.node], T + spec.minute * MINUTE
    if spec.kind == REGISTRY:
        return sign_cell(home, NETWORK, home.public, REGISTRY, seq, {"version": spec.version})
    if spec.kind == ADVERT:  # slot 0: the node's own
        return sign_cell(home if spec.slot else node, NETWORK, node.public, ADVERT, seq, {"version": spec.version})
    proof = Proof("localhost:1", bytes(32), seq, bytes(64))
    body = LeaseBody(spec.slot, 0, "serving", spec.version, proof)
    return sign_cell(home, NETWORK, node.public, LEASE, seq, body.to_map())


def cells(minutes: int) -> st.SearchStrategy[Cell]:
    return st.builds(
        Spec,
        kind=st.sampled_from((REGISTRY, ADVERT, LEASE, LEASE)),
        home=st.integers(0, 2),
        node=st.integers(0, 1),
        slot=st.integers(0, 2),
        minute=st.integers(0, minutes),
        version=st.integers(0, 1),
    ).map(cell)


def model(offered: Iterable[Cell], now_ms: int) -> Shown:
    """What a registry that was offered these cells shows at `now_ms`, straight from docs/architecture.md, Cells."""
    greatest: Shown = {}
    for one in offered:
        if one.slot < NETWORK.slots and (one.key not in greatest or greatest[one.key].order < one.order):
            greatest[one.key] = one
    alive = [one for one in greatest.values() if one.end_ms > now_ms]
    registries = sorted((one for one in alive if one.kind == REGISTRY), key=lambda one: rank(one.writer))
    registries = registries[: NETWORK.max_registries]
    homes = [one.writer for one in registries]
    leases = [one for one in alive if one.kind == LEASE and one.writer in homes]
    writers = [(one.subject, writer) for one in leases for writer in (one.subject, one.writer)]
    adverts = [one for one in alive if one.kind == ADVERT and (one.subject, one.writer) in writers]
    return {one.key: one for one in (*registries, *leases, *adverts)}


def model_current(shown: Shown, node: bytes) -> tuple[Cell | None, Cell | None]:
    adverts = {one.writer: one for one in shown.values() if one.kind == ADVERT and one.subject == node}
    leases = [one for one in shown.values() if one.kind == LEASE and one.subject == node]
    described = [one for one in leases if node in adverts or one.writer in adverts]
    lease = max(described, key=lambda one: (one.proof and one.proof.seq, one.writer, one.order), default=None)
    return lease, adverts.get(node) or (adverts[lease.writer] if lease else None)


def show(held: HeldCells) -> Shown:
    held.check_invariants()
    every = [one for kind in (REGISTRY, ADVERT, LEASE) for one in held.cells(kind)]
    return {one.key: one for one in every if held.is_visible(one.key)}


def assert_shows(held: HeldCells, expected: Shown) -> None:
    assert show(held) == expected
    for node in NODES:
        current = held.current_lease(node.public), held.current_advert(node.public)
        assert current == model_current(expected, node.public)
    assert {one.key for one in held.registries()} == {key for key in expected if key[0] == REGISTRY}


def replica(offered: Iterable[Cell], now_ms: int) -> HeldCells:
    held = HeldCells(NETWORK)
    for one in offered:
        held.offer(one, now_ms, 0.0, None)
        held.check_invariants()
    return held


@settings(max_examples=120, deadline=None)
@given(st.lists(cells(4), max_size=14), st.randoms(use_true_random=False))
def test_what_is_shown_depends_on_the_set_and_not_on_order_or_repetition(offered: list[Cell], rng: object) -> None:
    now_ms = T + 4 * MINUTE
    again = offered + offered[: len(offered) // 2]
    rng.shuffle(again)  # type: ignore[attr-defined]
    expected = model(offered, now_ms)
    for order in (offered, again):
        held = replica(order, now_ms)
        assert_shows(held, expected)
        assert {one.key: one for kind in (1, 2, 3) for one in held.cells(kind)} == expected  # nothing invisible yet


def exchange(one: HeldCells, other: HeldCells, now_ms: int) -> None:
    """What reconciliation does: registries, leases, adverts, both ways."""
    for kind in (REGISTRY, LEASE, ADVERT):
        for source, target in ((one, other), (other, one)):
            for held in list(source.cells(kind)):
                target.offer(held, now_ms, 0.0, b"peer")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells(4), st.integers(0, 2)), max_size=16))
def test_replicas_that_exchange_what_they_hold_come_to_show_what_one_would_that_saw_all(
    offered: list[tuple[Cell, int]],
) -> None:
    now_ms = T + 4 * MINUTE
    replicas = [replica((one for one, to in offered if to == number), now_ms) for number in range(3)]
    for _ in range(6):
        for left, right in ((0, 1), (1, 2), (0, 2)):
            exchange(replicas[left], replicas[right], now_ms)
    expected = model((one for one, _ in offered), now_ms)
    for held in replicas:
        assert_shows(held, expected)


Step = tuple[int, list[Cell]]
STEPS = st.lists(st.tuples(st.integers(0, 4 * MINUTE), st.lists(cells(20), max_size=5)), max_size=10)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_at_every_moment_it_shows_what_the_cells_that_came_in_time_say(steps: list[Step]) -> None:
    held, now_ms, came = HeldCells(NETWORK), T, []
    for pause_ms, offered in steps:
        now_ms += pause_ms
        held.tick(now_ms, 0.0)
        for one in offered:
            outcome = held.offer(one, now_ms, 0.0, None)
            assert (outcome is Outcome.ENDED) == (one.end_ms <= now_ms)
            if outcome is not Outcome.ENDED:
                came.append(one)
        held.tick(now_ms, 0.0)
        assert_shows(held, model((one for one in came if one.seq <= now_ms + AHEAD_MS), now_ms))


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_its_owner_can_follow_it_by_its_changes(steps: list[Step]) -> None:
    held, now_ms = HeldCells(NETWORK), T
    mirror: Shown = {}
    visible: dict[bytes, None] = {}
    for pause_ms, offered in steps:
        now_ms += pause_ms
        held.tick(now_ms, 0.0)
        for one in offered:
            held.offer(one, now_ms, 0.0, None)
        for change in held.drain_changes():
            if not isinstance(change, Change):
                assert mirror[change.cell.key] == change.cell
                del visible[change.cell.key]
                continue
            assert mirror.pop(change.key, None) == change.old
            visible.pop(change.key, None)
            if change.new is not None:
                mirror[change.key] = change.new
                visible[change.key] = None
        assert mirror == {one.key: one for kind in (1, 2, 3) for one in held.cells(kind)}
        assert visible.keys() == show(held).keys()


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_order_of_a_key_never_falls_while_it_is_held(steps: list[Step]) -> None:
    held, now_ms = HeldCells(NETWORK), T
    for pause_ms, offered in steps:
        now_ms += pause_ms
        held.tick(now_ms, 0.0)
        for one in offered:
            held.offer(one, now_ms, 0.0, None)
        for change in held.drain_changes():
            if isinstance(change, Change) and change.old is not None and change.new is not None:
                assert change.old is change.new or change.old.order < change.new.order
