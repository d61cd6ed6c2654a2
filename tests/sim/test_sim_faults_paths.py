"""Each fault of the network takes place, and does what it says and no more."""

from __future__ import annotations

from random import Random

import pytest
from sim_scenes import agree, formed
from sim_wire import Listener, dial, kinds, linked_pair

from p2preg.node.events import LinkDown, LinkUp
from p2preg.sim import World
from p2preg.sim.faults.fault import Fault, Scene
from p2preg.sim.faults.onpaths import Alone, Deaf, HalfOpen, LongWay, OneWay, Resets, SlowReaders, Split, Swizzle
from p2preg.sim.network import SILENCE_SECONDS
from p2preg.wire.messages import Gossip, IHave, Ping, Prune

MANY = 400


def nonces(end: Listener) -> list[int]:
    return [message.nonce for message in end.heard if isinstance(message, Ping)]


def send_many(world: World, sender: Listener, receiver: Listener) -> None:
    for nonce in range(MANY):
        world.network.send(sender, receiver.id, Ping(nonce))
    world.run(5.0)


@pytest.mark.parametrize("everywhere", [True, False])
def test_messages_that_are_duplicated_come_twice(everywhere: bool) -> None:
    world, alice, bob = linked_pair()
    if everywhere:
        world.network.duplication = 0.1
    else:
        world.network.disturb([alice], [bob], duplication=0.1)
    send_many(world, alice, bob)
    assert 10 < world.network.counts["duplicated"] < 100
    assert len(nonces(bob)) == MANY + world.network.counts["duplicated"]
    assert sorted(dict.fromkeys(nonces(bob))) == list(range(MANY))


@pytest.mark.parametrize("everywhere", [True, False])
def test_messages_that_are_out_of_order_come_after_later_ones_and_none_is_lost(everywhere: bool) -> None:
    world, alice, bob = linked_pair()
    if everywhere:
        world.network.reordering = 0.1
    else:
        world.network.disturb([alice], [bob], reordering=0.1)
    send_many(world, alice, bob)
    assert nonces(bob) != sorted(nonces(bob)) == list(range(MANY))
    assert 10 < world.network.counts["reordered"] < 100


def test_a_fault_of_one_path_leaves_the_way_back_alone() -> None:
    world, alice, bob = linked_pair()
    world.network.disturb([alice], [bob], loss=1.0, duplication=1.0)
    send_many(world, bob, alice)
    assert nonces(alice) == list(range(MANY))
    world.network.send(alice, bob.id, Gossip(b"x"))
    world.run(1.0)
    assert Gossip(b"x") not in bob.heard


def test_a_straggler_does_not_get_through_a_cut_nor_onto_another_link() -> None:
    world, alice, bob = linked_pair()
    world.network.reordering = 1.0
    world.network.cut([alice], [bob])
    world.network.send(alice, bob.id, Ping(1))
    world.run(1.0)
    assert nonces(bob) == []
    world.heal()
    world.network.reset(alice, bob)
    dial(world, bob, alice)
    world.run(5.0)
    assert nonces(bob) == []


# --- slow readers ---------------------------------------------------------------------------------------------


def test_a_slow_reader_gets_everything_at_its_own_pace() -> None:
    world, alice, bob = linked_pair()
    world.network.throttle([alice], [bob], 100.0)
    for nonce in range(10):
        world.network.send(alice, bob.id, Ping(nonce))
    world.run(0.5)
    assert nonces(bob) == [0]
    world.run(2.0)
    assert nonces(bob) == list(range(10))


def test_what_does_not_fit_the_outbox_is_dropped_announcements_first() -> None:
    world, alice, bob = linked_pair()
    world.network.outbox_bytes_max = 1_000
    world.network.throttle([alice], [bob], 10.0)
    world.network.send(alice, bob.id, Prune([]))  # this one is being written, the others wait
    for _ in range(20):
        world.network.send(alice, bob.id, IHave([]))
        world.network.send(alice, bob.id, Gossip(bytes(100)))
    world.run(200.0)
    assert world.network.announcements_dropped == 20
    assert world.network.gossip_dropped == 20 - bob.heard.count(Gossip(bytes(100))) > 5
    assert kinds(alice) == [LinkUp]


def test_a_link_whose_outbox_is_full_of_what_may_not_be_lost_is_closed() -> None:
    world, alice, bob = linked_pair()
    world.network.outbox_bytes_max = 100
    world.network.throttle([alice], [bob], 1.0)
    for nonce in range(100):
        world.network.send(alice, bob.id, Ping(nonce))
    world.run(1.0)
    assert world.network.counts["outboxes full"] == 1
    assert kinds(alice)[-1] is kinds(bob)[-1] is LinkDown


def test_when_a_slow_reader_reads_again_what_waited_comes_at_once_and_in_order() -> None:
    world, alice, bob = linked_pair()
    world.network.throttle([alice], [bob], 1.0)
    for nonce in range(10):
        world.network.send(alice, bob.id, Ping(nonce))
    world.network.throttle([alice], [bob], None)
    for nonce in range(10, 20):
        world.network.send(alice, bob.id, Ping(nonce))
    world.run(0.11)
    assert nonces(bob) == list(range(20))
    world.run(60.0)
    assert len(nonces(bob)) == 20


# --- cuts and ends --------------------------------------------------------------------------------------------


def test_a_path_that_was_cut_twice_is_mended_twice() -> None:
    world, alice, bob = linked_pair()
    for _ in range(2):
        world.network.cut([alice], [bob])
    world.network.send(alice, bob.id, Ping(1))
    world.network.mend([alice], [bob])
    world.run(1.0)
    assert nonces(bob) == []
    world.network.mend([alice], [bob])
    world.run(1.0)
    assert nonces(bob) == [1]


def test_of_two_cut_paths_the_one_that_is_mended_works_until_the_link_ends() -> None:
    world, alice, bob = linked_pair()
    world.partition([alice], [bob])  # type: ignore[list-item]
    world.network.send(alice, bob.id, Ping(1))
    world.network.mend([alice], [bob])
    world.run(1.0)
    assert nonces(bob) == [1]
    world.run(SILENCE_SECONDS[1])
    assert kinds(alice)[-1] is kinds(bob)[-1] is LinkDown


@pytest.mark.parametrize("seed", range(8))
def test_no_end_is_left_over_when_a_cut_heals_while_the_other_end_gives_up(seed: int) -> None:
    world, alice, bob = linked_pair(seed)
    world.network.cut([alice], [bob])
    world.run_until(lambda: not (alice.links and bob.links), 20.0)
    world.heal()
    world.run(20.0)
    assert not alice.links and not bob.links


def test_a_reset_ends_a_link_at_both_ends_with_all_that_is_under_way() -> None:
    world, alice, bob = linked_pair()
    world.network.send(alice, bob.id, Ping(1))
    assert world.network.reset(alice, bob)
    assert not world.network.reset(alice, bob), "there is none any more"
    world.run(1.0)
    assert nonces(bob) == []
    assert kinds(alice) == kinds(bob) == [LinkUp, LinkDown]


def test_one_end_of_a_half_open_link_notices_late_and_speaks_to_nobody_until_then() -> None:
    world, alice, bob = linked_pair()
    assert world.network.break_half(alice, bob)
    assert (list(alice.links), list(bob.links)) == ([], [alice.id])
    world.network.send(bob, alice.id, Ping(1))
    world.run(SILENCE_SECONDS[0] - 0.1)
    assert bob.links and nonces(alice) == []
    world.run(6.0)
    assert not bob.links


def test_a_half_open_link_gives_way_to_a_new_one() -> None:
    world, alice, bob = linked_pair()
    world.network.break_half(alice, bob)
    dial(world, alice, bob)
    world.run(30.0)
    assert kinds(bob) == [LinkUp, LinkDown, LinkUp]
    assert world.network.linked(alice, bob)


# --- as a swarm uses them -------------------------------------------------------------------------------------

FAULTS = (SlowReaders, LongWay, Split, OneWay, Deaf, Alone, Swizzle, Resets, HalfOpen)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_takes_place_is_undone_and_the_network_is_well_again(kind: type[Fault]) -> None:
    world = formed(1, 6)
    scene = Scene(world, Random(1), ends_at=world.now + 40.0)
    fault = kind(scene.rng)
    paths = [world.network.latency(a, b) for a in world.hosts for b in world.hosts if a is not b]
    fault.begin(scene)
    nodes = world.register(world.hosts[0], 2)
    world.run(40.0)
    fault.end(scene)
    assert fault.acts > 0
    assert scene.disturbed or scene.shaken > 0
    world.run_until(lambda: agree(world, len(nodes)), 30.0)
    assert [world.network.latency(a, b) for a in world.hosts for b in world.hosts if a is not b] == paths
    links = world.network.counts["links cut"]
    world.run(30.0)
    assert world.network.counts["links cut"] == links, "a path is still cut"
