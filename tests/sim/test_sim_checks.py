"""The checkers themselves: each finds the violation that was planted for it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from sim_scenes import formed

from p2preg.cells.cell import REGISTRY, registry_key
from p2preg.sim import World, check_host, differing
from p2preg.sim.checks import check_each
from p2preg.sim.faults.crowd import Acknowledged, Follower, Resident
from p2preg.sim.faults.fault import Recurring, Scene
from p2preg.sim.faults.swarm import Swarm
from p2preg.sim.faults.watch import Watch
from p2preg.sim.host import Host
from p2preg.sim.rest import have_equal_roots, one_sided, parts


@pytest.fixture
def world() -> World:
    world = formed(1, 4)
    world.register(world.hosts[0], 2)
    world.run(1.0)
    check_host(world.hosts[1])
    return world


def drop_from_digests(host: Host) -> None:
    host.node.ledger.digests.remove(registry_key(host.id))


def let_a_cell_end_unseen(host: Host) -> None:
    host.node.held.tick(host.clock.now_ms + 10**10, host.now)
    host.node.held._invisible.clear()


def forget_a_lease(host: Host) -> None:
    host.node.registry.directory._entries.popitem()


def gossip_to_a_stranger(host: Host) -> None:
    broadcast = host.node.broadcast
    broadcast._links[bytes(32)] = broadcast._links[broadcast.eager(host.id)[0]]


def lose_a_link(host: Host) -> None:
    host.node._links.down(host.node.overlay.neighbours[0])


PLANTED: list[Callable[[Host], None]] = [
    drop_from_digests, let_a_cell_end_unseen, forget_a_lease, gossip_to_a_stranger, lose_a_link,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED)
def test_a_broken_invariant_of_one_registry_is_found(world: World, plant: Callable[[Host], None]) -> None:
    plant(world.hosts[1])
    with pytest.raises(AssertionError):
        check_host(world.hosts[1])


def test_every_so_many_events_somebody_is_checked(world: World) -> None:
    check = check_each(3)
    drop_from_digests(world.hosts[1])
    check(world.hosts[1])
    check(world.hosts[1])
    with pytest.raises(AssertionError):
        check(world.hosts[1])
    check_each(0)(world.hosts[1])


def test_a_cell_that_one_registry_lacks_is_found(world: World) -> None:
    assert have_equal_roots(world.hosts)
    assert not differing(world.hosts)
    held = world.hosts[2].node.held
    cell = next(cell for cell in held.cells(REGISTRY) if cell.writer != world.hosts[2].id)
    held._remove(cell)
    world.hosts[2].node._holdings.settle()
    assert not have_equal_roots(world.hosts)
    assert cell.key in differing(world.hosts)


def test_a_neighbour_on_one_side_only_is_found(world: World) -> None:
    one, other = world.hosts[:2]
    assert not one_sided(world.hosts)
    one.node.overlay._hood.active.remove(other.id)
    one.node.overlay._hood.ring_view.remove(other.id)
    assert one_sided(world.hosts) == [(other, one)]


def test_parts_that_no_neighbour_connects_are_found(world: World) -> None:
    assert [len(part) for part in parts(world.hosts)] == [4]
    assert len(parts(world.hosts[:1])) == 1
    world.partition(world.hosts[:2], world.hosts[2:])
    world.run(20.0)
    assert parts(world.hosts) == [world.hosts[:2], world.hosts[2:]]


# --- of a swarm -----------------------------------------------------------------------------------------------


def scene_of(world: World) -> tuple[Scene, Resident, Follower, Watch]:
    """A node that stands at the first registry, and a subscriber somewhere, for a while."""
    resident, follower = Resident(world, 0, Random(0)), Follower(world, 0, Random(0))
    resident.rest()
    scene = Scene(world, Random(0), ends_at=world.now + 1_000.0)
    watch = Watch(scene, [resident], [follower])
    watch.begin()
    world.run(10.0)
    assert resident.home is not None
    return scene, resident, follower, watch


def test_an_acknowledged_registration_that_a_registry_does_not_know_is_found(world: World) -> None:
    scene, resident, _, watch = scene_of(world)
    assert watch.acknowledged()
    assert not watch.lost(world.hosts)
    [given] = watch.acknowledged()
    later = Acknowledged(given.node, given.home, world.now, given.end_ms + 1)
    resident.acknowledged.append(later)
    assert watch.lost(world.hosts) == [(host, later) for host in world.hosts]
    scene.disk_lost[given.home] = world.now
    assert not watch.lost(world.hosts), "its home lost its disk right after"


def test_a_node_that_stands_at_its_home_and_is_shown_as_expired_is_a_false_death(world: World) -> None:
    scene, resident, _, watch = scene_of(world)
    watch.look()
    assert not watch.false_deaths
    client = resident.client
    assert client is not None
    client.call("node.leave")
    world.run(1.0)
    scene.disturb(world.hosts[:1], 5.0)
    watch.look()
    home = resident.home
    excused = world.hosts[:1] if home is not world.hosts[0] else world.hosts
    assert [host for _, host, _ in watch.false_deaths] == [host for host in world.hosts if host not in excused]
    with pytest.raises(AssertionError, match="is wrong about"):
        watch.check_contacts(world.hosts)


def test_a_batch_that_is_missed_for_no_reason_is_unexplained(world: World) -> None:
    scene, _, _, watch = scene_of(world)
    host, origin = world.hosts[1], world.hosts[2]
    world.network.disturb(world.hosts, world.hosts, loss=1.0)
    [_] = world.register(origin)
    world.run(2.0)
    world.network.disturb(world.hosts, world.hosts)
    world.run(20.0)
    watch.look()
    assert watch.misses
    assert watch.unexplained == watch.misses, "nobody told the watch of the loss"
    scene.shake(60.0)
    world.network.disturb([origin], [host], loss=1.0)


def test_a_subscriber_that_was_told_something_else_is_found(world: World) -> None:
    _, _, follower, watch = scene_of(world)
    watch.check_followers()
    assert follower.subscriber is not None
    follower.subscriber.versions.popitem()
    with pytest.raises(AssertionError, match="holds something else"):
        watch.check_followers()


def test_a_fault_that_did_not_take_place_fails_the_run() -> None:
    class Never(Recurring):
        name = "never"

        def act(self, scene: Scene) -> bool:
            return False

    swarm = Swarm(1, 3, residents=1, followers=1, seconds=5.0, faults=[Never(Random(1))])
    with pytest.raises(AssertionError, match="did not take place"):
        swarm.run()
