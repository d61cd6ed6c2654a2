"""A whole node against peers that keep to no protocol: nothing raises, every cap holds, and nobody else notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_scenes import agree, contact, everywhere, formed, freshness, knows_all

from p2preg.base import limits
from p2preg.broadcast.batch import Batch, Page, sign_batch
from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, sign_cell
from p2preg.cells.lease import LeaseBody, Proof
from p2preg.sim import World, check_host
from p2preg.sim.clock import START_MS
from p2preg.sim.host import Host
from p2preg.sim.media import PLAIN
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
    """Mallory, with a link and a place in the overlay, so that what he says is listened to."""
    mallory = world.add_stranger()
    mallory.dial(victim)
    world.run_until(lambda: victim.id in mallory.links, 1.0)
    mallory.say(victim, Neighbor(1))
    world.run_until(lambda: mallory.id in victim.node.overlay.neighbours, 1.0)
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
            mallory = world.add_stranger()  # another identity: this one is shunned
            mallory.dial(alice)
            world.run(0.5)
        assert alice.id in mallory.links
        mallory.say(alice, message)
        world.run(pause)
    world.run(10.0)
    assert alice.halted is None
    assert world.add_client(alice).call("registry.info")["registry_id"] == alice.id.hex()


def fresh(count: int) -> bytes:
    return count.to_bytes(32)


FLOODS: dict[str, Callable[[World, int], Message]] = {
    "announcements": lambda world, n: IHave([Announcement(fresh(n)[16:], world.hosts[1].id, 1, n)]),
    "batches": lambda world, n: Gossip(batch_of(world, "stranger 0", counter=n + 1).raw),
    "batches of strangers": lambda world, n: Gossip(batch_of(world, f"ghost {n}").raw),
    "grafts": lambda world, n: Graft([fresh(n)[16:]], [fresh(n)]),
    "joins": lambda world, n: Join(),
    "newcomers": lambda world, n: ForwardJoin(cell_of(world, f"ghost {n % 50}"), 6),
    "shuffles": lambda world, n: Shuffle(6, [cell_of(world, f"ghost {n % 50}")]),
    "lookups": lambda world, n: FindNode(n, fresh(n)),
    "questions": lambda world, n: AskElements(n, START_MS, 1, [Range(0, 4096)], bytes(32)),
    "pushed cells": lambda world, n: PushCells([cell_of(world, f"ghost {n % 50}")]),
    "answers": lambda world, n: Nodes(n, [cell_of(world, f"ghost {n % 50}")]),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_from_one_peer_fills_nothing_beyond_its_cap_and_the_network_carries_on(flood: str) -> None:
    world = formed(1, 3)
    alice = world.hosts[0]
    [node] = world.register(world.hosts[1])
    mallory = linked(world, alice)
    for count in range(500):
        mallory.say(alice, FLOODS[flood](world, count))
    world.run(5.0)
    check_host(alice)
    broadcast = alice.node.broadcast.statistics()
    assert broadcast.pending <= limits.PENDING_PER_PEER_MAX
    assert broadcast.missing <= limits.ANNOUNCED_PER_PEER_MAX
    assert len(mallory.heard) < 2_000
    assert contact(alice, node) == "live"
    assert world.register(alice)
    assert len(alice.node.overlay.neighbours) >= 2


# --- lies -------------------------------------------------------------------------------------------------------


def test_a_forged_cell_closes_the_link_and_is_held_by_nobody() -> None:
    world = formed(2, 3)
    alice = world.hosts[0]
    mallory = linked(world, alice)
    forged = cell_of(world, "ghost")[:-64] + bytes(64)
    mallory.say(alice, Gossip(batch_of(world, "stranger 0", cells=[cell_of(world, "stranger 0"), forged]).raw))
    world.run(2.0)
    assert alice.id not in mallory.links
    assert all(host.node.held.registry(world.key("ghost").public) is None for host in world.hosts)


def test_a_peer_cannot_sign_for_another_registry() -> None:
    """Mallory writes a lease that says that another home's node is gone."""
    world = formed(3, 3)
    [node] = world.register(world.hosts[1])
    world.run(1.0)
    mallory = linked(world, world.hosts[0])
    held = world.hosts[0].node.held.current_lease(node.id)
    assert held is not None
    gone = sign_cell(mallory.key, world.network_file, node.id, 3, held.seq + 1, {**held.body, "contact": 2}).raw
    own = cell_of(world, "stranger 0")
    mallory.say(world.hosts[0], Gossip(batch_of(world, "stranger 0", cells=[own, gone]).raw))
    world.run(2.0)
    assert everywhere(world, node, "live"), "the proof in it names another home, so the cell is no cell"


def test_a_replayed_old_lease_changes_nothing() -> None:
    world = formed(4, 3)
    [node] = world.register(world.hosts[1])
    world.run(1.0)
    attached = world.hosts[0].node.held.current_lease(node.id)
    assert attached is not None
    node.leave_socket()
    world.run(20.0)
    mallory = linked(world, world.hosts[0])
    own = cell_of(world, "stranger 0")
    mallory.say(world.hosts[0], Gossip(batch_of(world, "stranger 0", cells=[own, attached.raw]).raw))
    world.run(5.0)
    assert everywhere(world, node, "expired")


def test_cells_stamped_far_ahead_wait_and_do_not_harm() -> None:
    world = formed(5, 3)
    mallory = linked(world, world.hosts[0])
    ahead = cell_of(world, "stranger 0", seq=world.hosts[0].clock.now_ms + 3_600_000)
    mallory.say(world.hosts[0], ForwardJoin(ahead, 6))
    world.run(10.0)
    assert world.hosts[0].node.held.statistics().early == 1
    world.run(60.0)
    assert agree(world, 0)
    assert freshness(world, world.hosts[0])["registries_fresh"] == 3


def test_a_registry_that_says_it_is_ours_from_the_future_halts_us_only_with_our_own_signature() -> None:
    world = formed(6, 3)
    alice = world.hosts[0]
    mallory = linked(world, alice)
    mallory.say(alice, Gossip(batch_of(world, "stranger 0", epoch=2**62, cells=[cell_of(world, "stranger 0")]).raw))
    forged = cell_of(world, "registry 0", seq=START_MS + 60_000, epoch=2**62)[:-64] + bytes(64)
    mallory.say(alice, ForwardJoin(forged, 1))
    world.run(5.0)
    assert alice.halted is None
    stolen = cell_of(world, "registry 0", seq=START_MS + 60_000, epoch=2**62)
    again = linked(world, alice)
    again.say(alice, ForwardJoin(stolen, 1))
    world.run_until(lambda: alice.halted, 5.0)
    assert knows_all(world.hosts[1], 4) or knows_all(world.hosts[1], 5)


@pytest.mark.parametrize("state", ["draining", "serving", "no state that we know" * 80])
def test_what_another_home_wrote_about_a_node_never_keeps_its_new_home_from_writing_leases(state: str) -> None:
    """Mallory's lease is as large as a cell may be, with a state that a registration carries over."""
    world = World(8, check=True)
    alice = world.add_registry()
    mallory = linked(world, alice)
    node = world.add_node()
    now_ms = alice.clock.now_ms
    unsigned = Proof("m:1", bytes(32), node.next_seq(), bytes(64))
    proof = replace(unsigned, signature=node.key.sign(unsigned.message(world.network_file.network, mallory.id)))
    body = LeaseBody(0, 0, state, 1, proof, reason="x" * 256).to_map()
    small = sign_cell(mallory.key, world.network_file, node.id, LEASE, now_ms, body)
    body["reason"] = "x" * (256 + limits.CELL_BYTES_MAX - len(small.raw))
    lease = sign_cell(mallory.key, world.network_file, node.id, LEASE, now_ms, body)
    advert = sign_cell(mallory.key, world.network_file, node.id, ADVERT, now_ms, PLAIN)
    mallory.say(alice, Gossip(batch_of(world, "stranger 0", cells=[mallory.cell.raw, lease.raw, advert.raw]).raw))
    world.run_until(lambda: contact(alice, node) is not None, 5.0)
    world.run(1.0)
    registered = world.attach(node, alice)
    assert registered["state"] in ("draining", "serving")
    node.leave_socket()
    world.run_until(lambda: contact(alice, node) == "suspect", 2.0)


def test_what_a_registry_says_of_itself_at_length_is_not_told_to_every_client() -> None:
    world = World(9)
    alice = world.add_registry()
    mallory = linked(world, alice)
    said = {"rpc": "ws://" + "\0" * 1_500, "region": "r" * 500, "software": {"version": "v" * 500}}
    cells = [cell_of(world, "stranger 0", seq=START_MS + 10_000, **said)]
    mallory.say(alice, Gossip(batch_of(world, "stranger 0", cells=cells).raw))
    world.run(5.0)
    client = world.add_client(alice)
    assert client.call("session.hello", **client.hello_params())["peers"] == []
    [peer] = client.call("registry.peers")["peers"]
    assert peer["endpoint"] == "10.200.0.1:4010"
    assert peer["rpc"] == "" and "region" not in peer and "version" not in peer
