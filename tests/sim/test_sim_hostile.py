"""A whole node against peers that keep to no protocol: nothing raises, every cap holds, and the others notice nothing."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_scenes import agree, contact, everywhere, formed, freshness, knows_all

from p2preg.base import limits
from p2preg.broadcast.batch import Batch, Page, sign_batch
from p2preg.cells.cell import REGISTRY, sign_cell
from p2preg.sim import World, check_host
from p2preg.sim.clock import START_MS
from p2preg.sim.host import Host
from p2preg.sim.stranger import Stranger
from p2preg.wire.messages import (
    Announcement,
    AnyMessage,
    AskCells,
    AskElements,
    AskFingerprints,
    AskStream,
    Cells,
    DisconnectNeighbor,
    Elements,
    FindNode,
    Fingerprint,
    Fingerprints,
    ForwardJoin,
    Goodbye,
    Gossip,
    Graft,
    IHave,
    Join,
    Message,
    Neighbor,
    NeighborReply,
    Nodes,
    Ping,
    Prune,
    PushCells,
    Range,
    Shuffle,
    ShuffleReply,
    StreamCells,
    SyncRefused,
)


def cell_of(world: World, name: str, seq: int = START_MS, **body: object) -> bytes:
    key = world.key(name)
    told = {"endpoints": ["10.200.0.1:4010"], "epoch": 1, **body}
    return sign_cell(key, world.network_file, key.public, REGISTRY, seq, told).raw


def batch_of(world: World, name: str, counter: int = 1, epoch: int = 1, **more: object) -> Batch:
    told = {"issued_ms": START_MS, "uptime_ms": 1_000, "interval_ms": 5_000, "cells": (), "pages": (), **more}
    return sign_batch(world.key(name), network=world.network_file.network, epoch=epoch, counter=counter, **told)  # type: ignore[arg-type]


# What Mallory may say: numbers at their ends, ids that exist and ids that don't, cells and batches good and bad.
PAPER = World(0)
IDS = [PAPER.key(name).public for name in ("registry 0", "registry 1", "stranger 0", "ghost")] + [bytes(32)]
FORGED = cell_of(PAPER, "ghost")[:-64] + bytes(64)
CELLS = [
    cell_of(PAPER, "stranger 0"),
    cell_of(PAPER, "stranger 0", seq=START_MS + 10**9, endpoints=[1, 2]),
    cell_of(PAPER, "ghost", endpoints=["nowhere"], epoch=2**64 - 1),
    cell_of(PAPER, "registry 1", seq=START_MS + 200_000),
    FORGED,
    b"\x00",
]
PAGES = (Page(1, IDS[2], {"load": -1}), Page(2, IDS[3], {"x": [b""]}), Page(255, bytes(32), {}))
BATCHES = [
    batch_of(PAPER, "stranger 0").raw,
    batch_of(PAPER, "stranger 0", counter=2**63 - 1, cells=CELLS[:3], pages=PAGES).raw,
    batch_of(PAPER, "stranger 0", epoch=2**63 - 1, interval_ms=0).raw,
    batch_of(PAPER, "ghost", cells=[CELLS[2]], pages=PAGES).raw,
    batch_of(PAPER, "registry 1", uptime_ms=2**60, cells=[FORGED]).raw,
    batch_of(PAPER, "ghost").raw[:-1] + b"\x00",
    b"\x80",
]
number = st.sampled_from([0, 1, 2, 255, START_MS, 2**63 - 1])
small = st.sampled_from([0, 1, 2, 3, 255])
identity, digest = st.sampled_from(IDS), st.sampled_from([bytes(16), b"d" * 16])
cell, batch = st.sampled_from(CELLS), st.sampled_from(BATCHES)
cells = st.lists(cell, min_size=1, max_size=8)
ranges = st.lists(st.builds(Range, st.integers(0, 4096), st.integers(0, 4096)), min_size=1, max_size=4)
announcements = st.lists(st.builds(Announcement, digest, identity, number, number), max_size=8)
MESSAGES: dict[type[Message], st.SearchStrategy[Message]] = {
    Goodbye: st.just(Goodbye("")),
    Ping: st.builds(Ping, number),
    FindNode: st.builds(FindNode, number, identity),
    Nodes: st.builds(Nodes, number, cells),
    Join: st.just(Join()),
    ForwardJoin: st.builds(ForwardJoin, cell, small),
    Neighbor: st.builds(Neighbor, small),
    NeighborReply: st.builds(NeighborReply, small),
    DisconnectNeighbor: st.just(DisconnectNeighbor()),
    Shuffle: st.builds(Shuffle, small, cells),
    ShuffleReply: st.builds(ShuffleReply, cells),
    Gossip: st.builds(Gossip, batch),
    IHave: st.builds(IHave, announcements),
    Graft: st.builds(Graft, st.lists(digest, max_size=4), st.lists(identity, max_size=4)),
    Prune: st.builds(Prune, st.lists(identity, max_size=4)),
    AskFingerprints: st.builds(AskFingerprints, number, number, small, ranges),
    Fingerprints: st.builds(Fingerprints, number, st.lists(st.builds(Fingerprint, number, digest), max_size=4)),
    AskElements: st.builds(AskElements, number, number, small, ranges, identity),
    Elements: st.builds(Elements, number, st.lists(identity, max_size=4), small),
    AskCells: st.builds(AskCells, number, small, st.lists(identity, min_size=1, max_size=4)),
    Cells: st.builds(Cells, number, cells, small),
    AskStream: st.builds(AskStream, number, number, small, st.integers(0, 4096), identity),
    StreamCells: st.builds(StreamCells, number, cells, st.integers(0, 4096), identity, small),
    PushCells: st.builds(PushCells, cells),
    SyncRefused: st.builds(SyncRefused, number, st.just("busy")),
}
UNSAID = {"Hello", "Pong"}  # the link layer's own, which never reach a node


def linked(world: World, victim: Host) -> Stranger:
    mallory = world.add_stranger()
    mallory.dial(victim)
    world.run_until(lambda: victim.id in mallory.links, 1.0)
    return mallory


def test_the_strategies_cover_every_message_that_reaches_a_node() -> None:
    assert {kind.__name__ for kind in AnyMessage.__args__} == {kind.__name__ for kind in MESSAGES} | UNSAID


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.one_of(*MESSAGES.values()), st.sampled_from([0.0, 0.1, 2.0])), max_size=40))
def test_whatever_a_peer_says_nothing_raises_and_every_invariant_holds(said: list[tuple[Message, float]]) -> None:
    world = World(0, check=True)
    alice = world.add_registry()
    mallory = linked(world, alice)
    for message, pause in said:
        if alice.id not in mallory.links:
            mallory.dial(alice)
            world.run(0.5)
        mallory.say(alice, message)
        world.run(pause)
    world.run(10.0)
    assert alice.halted is None
    assert world.add_client(alice).call("registry.info")["registry_id"] == alice.id.hex()


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_thousand_of_one_message_fill_nothing_beyond_its_cap(kind: type[Message]) -> None:
    world = formed(1, 3)
    alice = world.hosts[0]
    [node] = world.register(world.hosts[1])
    mallory = linked(world, alice)
    rng = world.key("noise").seed
    for count in range(1_000):
        mallory.say(alice, noise(kind, world, rng, count))
    world.run(5.0)
    check_host(alice)
    broadcast, dht = alice.node.broadcast.statistics(), alice.node.dht.statistics()
    assert broadcast.pending <= limits.PENDING_PER_PEER_MAX
    assert broadcast.missing <= limits.ANNOUNCED_PER_PEER_MAX
    assert all(value >= 0 for value in dataclasses.asdict(dht).values() if isinstance(value, int))
    assert len(list(alice.node.held.registries())) <= 5
    assert contact(alice, node) == "live"
    assert world.register(alice)


def noise(kind: type[Message], world: World, seed: bytes, count: int) -> Message:
    """A message of its kind that differs from the one before."""
    fresh = count.to_bytes(4) + seed[4:]
    if kind is IHave:
        return IHave([Announcement(fresh[:16], world.hosts[1].id, 1, count)])
    if kind is Graft:
        return Graft([fresh[:16]], [fresh])
    if kind is FindNode:
        return FindNode(count, fresh)
    if kind is Gossip:
        return Gossip(batch_of(world, "stranger 0", counter=count + 1).raw)
    return MESSAGES[kind].example() if count == 0 else _same(kind)


_said: dict[type[Message], Message] = {}


def _same(kind: type[Message]) -> Message:
    return _said.setdefault(kind, {**{k: k() for k in (Join, DisconnectNeighbor)}}.get(kind) or _plain(kind))


def _plain(kind: type[Message]) -> Message:
    raise NotImplementedError(kind)
