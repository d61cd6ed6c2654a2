"""The simulated network itself: what it promises to the cores above, and that each fault takes place."""

from __future__ import annotations

import pytest
from sim_scenes import formed
from sim_wire import dial, kinds, pair

from p2preg.base.events import Received
from p2preg.cells.cell import Cell
from p2preg.node.events import DialFailed, LinkDown, LinkUp
from p2preg.sim.clock import START_MS, Agenda
from p2preg.sim.disk import Disk
from p2preg.sim.network import CONNECT_SECONDS, SILENCE_SECONDS
from p2preg.wire.messages import Gossip, Ping


def test_both_ends_of_a_link_hear_of_it_before_any_message() -> None:
    world, alice, bob = pair()
    dial(world, alice, bob)
    world.run(0.21)
    world.network.send(bob, alice.id, Ping(1))
    world.run(1.0)
    assert [(at, type(event)) for at, event in bob.events] == [(0.2, LinkUp)]
    assert [(at, type(event)) for at, event in alice.events] == [(0.3, LinkUp), (0.31, Received)]


def test_two_that_dial_each_other_at_once_have_one_link() -> None:
    world, alice, bob = pair()
    dial(world, alice, bob)
    dial(world, bob, alice)
    world.run(1.0)
    assert kinds(alice) == kinds(bob) == [LinkUp]


def test_messages_keep_their_order_though_each_takes_its_own_time() -> None:
    world, alice, bob = pair()
    world.network.jitter = 5.0
    dial(world, alice, bob)
    world.run(5.0)
    for nonce in range(50):
        world.network.send(alice, bob.id, Ping(nonce))
    world.run(5.0)
    assert bob.heard == [Ping(nonce) for nonce in range(50)]


def test_what_was_sent_before_a_link_was_closed_arrives_before_the_news_of_it() -> None:
    world, alice, bob = pair()
    dial(world, alice, bob)
    world.run(1.0)
    world.network.send(alice, bob.id, Ping(1))
    world.network.close(alice, bob.id)
    world.network.send(alice, bob.id, Ping(2))
    world.run(1.0)
    assert kinds(bob) == [LinkUp, Received, LinkDown]
    assert kinds(alice) == [LinkUp, LinkDown]


def test_only_gossip_is_lost_and_as_much_as_was_asked_for() -> None:
    world, alice, bob = pair()
    world.network.loss = 0.5
    dial(world, alice, bob)
    world.run(1.0)
    for nonce in range(200):
        world.network.send(alice, bob.id, Ping(nonce))
        world.network.send(alice, bob.id, Gossip(b"x"))
    world.run(1.0)
    assert bob.heard.count(Gossip(b"x")) == 200 - world.network.counts["lost"]
    assert sum(isinstance(heard, Ping) for heard in bob.heard) == 200
    assert 60 < world.network.counts["lost"] < 140


def test_a_cut_path_holds_messages_back_and_ends_the_link_when_it_stays_cut() -> None:
    world, alice, bob = pair()
    dial(world, alice, bob)
    world.run(1.0)
    world.network.cut([alice], [bob])
    world.network.send(alice, bob.id, Ping(1))
    world.network.send(bob, alice.id, Ping(2))
    world.run(SILENCE_SECONDS[0] - 0.1)
    assert bob.heard == []
    assert alice.heard == [Ping(2)], "the other direction works until the link ends"
    world.run(6.0)
    assert kinds(alice)[-1] is kinds(bob)[-1] is LinkDown
    world.heal()
    world.run(1.0)
    assert bob.heard == []


def test_a_cut_that_heals_in_time_delivers_what_waited() -> None:
    world, alice, bob = pair()
    dial(world, alice, bob)
    world.run(1.0)
    world.network.cut([alice], [bob])
    for nonce in range(3):
        world.network.send(alice, bob.id, Ping(nonce))
    world.run(5.0)
    world.heal()
    world.run(30.0)
    assert bob.heard == [Ping(0), Ping(1), Ping(2)]
    assert LinkDown not in kinds(alice)


@pytest.mark.parametrize(("why", "after"), [("nobody", 0.1), ("cut", CONNECT_SECONDS), ("wrong", 0.2)])
def test_a_dial_that_comes_to_nothing_is_answered(why: str, after: float) -> None:
    world, alice, bob = pair()
    if why == "cut":
        world.network.cut([bob], [alice])
    if why == "nobody":
        world.network.detach(bob, silent=False)
    world.network.dial(alice, bob.endpoint, alice.id if why == "wrong" else bob.id)
    world.run(10.0)
    assert [(at, type(event)) for at, event in alice.events] == [(after, DialFailed)]


def test_a_machine_without_power_answers_nothing_and_is_noticed_by_its_silence() -> None:
    world, alice, bob = pair()
    dial(world, alice, bob)
    world.run(1.0)
    world.network.detach(bob, silent=True)
    world.run(SILENCE_SECONDS[0] - 0.1)
    assert kinds(alice) == [LinkUp]
    world.run(6.0)
    assert kinds(alice) == [LinkUp, LinkDown]


def test_whoever_is_back_after_a_silent_crash_is_linked_anew_in_order() -> None:
    world, alice, bob = pair()
    dial(world, alice, bob)
    world.run(1.0)
    world.network.detach(bob, silent=True)
    bob.incarnation += 1
    world.network.attach(bob)
    dial(world, bob, alice)
    world.run(60.0)
    assert kinds(alice) == [LinkUp, LinkDown, LinkUp]


def test_a_registry_is_not_linked_with_itself_nor_twice_with_another() -> None:
    world = formed(2, 6)
    world.run(300.0)
    pairs = [(a, b) for a in world.hosts for b in world.hosts if world.network.linked(a, b)]
    assert all(a is not b for a, b in pairs)
    assert all(a.node.is_outbound(b.id) != b.node.is_outbound(a.id) for a, b in pairs)


# --- clocks, disks, loops -------------------------------------------------------------------------------------


def test_things_happen_in_the_order_of_their_time_and_then_of_their_entry() -> None:
    agenda, done = Agenda(), list[str]()
    for at, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (9.0, "late")):
        agenda.at(at, done.append, name)
    while agenda.step(5.0):
        pass
    assert (done, agenda.now, len(agenda)) == (["a", "b", "c"], 5.0, 1)


def test_a_disk_keeps_what_it_has_confirmed_and_a_crash_loses_the_rest(a_cell: Cell) -> None:
    agenda, told = Agenda(), []
    disk = Disk(agenda, delay=1.0)
    disk.put_value("first", b"1")
    agenda.step(0.5)
    disk.put((a_cell,), lambda: told.append("cell"))
    agenda.step(1.2)
    assert disk.crash() == 1
    while agenda.step(9.0):
        pass
    assert (disk.values, disk.cells, told) == ({"first": b"1"}, {}, [])


def test_a_slow_disk_writes_in_order(a_cell: Cell) -> None:
    agenda, told = Agenda(), []
    disk = Disk(agenda, delay=2.0)
    disk.put((a_cell,), lambda: told.append((agenda.now, "put")))
    disk.delay = 0.0
    disk.delete((a_cell,))
    disk.put((), lambda: told.append((agenda.now, "after")))
    while agenda.step(9.0):
        pass
    assert told == [(2.0, "put"), (2.0, "after")]
    assert disk.cells == {}


@pytest.fixture
def a_cell() -> Cell:
    return pair()[1].cell


def test_each_machine_has_the_time_that_it_was_given() -> None:
    world = formed(3, 2)
    one, other = world.hosts
    one.clock.step(-5_000)
    assert other.clock.now_ms - one.clock.now_ms == 5_000
    told = world.add_client(one).call("rpc.ping")["time_ms"]
    assert abs(told - one.clock.now_ms) <= 3
    assert abs(other.clock.now_ms - START_MS - world.now * 1000) <= 1


def test_a_stalled_loop_answers_when_it_runs_again_and_takes_messages_before_timers() -> None:
    world = formed(4, 2)
    host = world.hosts[0]
    client = world.add_client(host)
    host.stall(7.0)
    pending = client.send("rpc.ping")
    world.run(6.9)
    assert not pending.is_done
    world.run(0.2)
    assert pending.is_done
    assert host.node.registry.homes.heard(world.hosts[1].id, host.now)
