"""Networks that fall apart and come together again."""

from __future__ import annotations

import pytest
from sim_scenes import agree, contact, everywhere, formed

from p2preg.sim import differing

HEAL_SECONDS = 15.0


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("seconds", [5.0, 30.0, 600.0])
def test_halves_that_changed_apart_agree_within_15_s_of_meeting_again(seed: int, seconds: float) -> None:
    world = formed(seed, 6)
    left, right = world.hosts[:3], world.hosts[3:]
    nodes = [node for host in world.hosts for node in world.register(host, 2)]
    world.run(2.0)
    world.partition(left, right)
    world.run(seconds / 2)
    nodes += world.register(left[0], 3) + world.register(right[0], 3)
    nodes[0].leave_socket()
    world.attach(nodes[1], left[1])
    world.run(seconds / 2)
    assert differing(world.hosts)
    world.heal()
    world.run_until(lambda: not differing(world.hosts), HEAL_SECONDS)
    assert agree(world, len(nodes))


def test_a_path_that_is_cut_one_way_ends_the_link_and_the_rest_of_the_network_carries_on() -> None:
    world = formed(4, 5)
    alice, bob = world.hosts[:2]
    [node] = world.register(alice)
    world.run(2.0)
    assert world.network.linked(alice, bob)
    world.network.cut([alice], [bob])
    world.run(30.0)
    assert not world.network.linked(alice, bob)
    assert world.network.counts["links cut"] > 0
    assert contact(bob, node) == "live"
    world.heal()
    world.run_until(lambda: world.network.linked(alice, bob), 120.0)


def test_a_cut_that_is_shorter_than_the_keep_alive_loses_nothing_and_no_link() -> None:
    world = formed(5, 4)
    links = world.network.counts["links"]
    world.partition(world.hosts[:2], world.hosts[2:])
    nodes = world.register(world.hosts[0], 3)
    world.run(3.0)
    world.heal()
    world.run_until(lambda: all(everywhere(world, node, "live") for node in nodes), 1.0)
    assert world.network.counts["links"] == links


def test_three_parts_become_one() -> None:
    world = formed(6, 9)
    parts = [world.hosts[:3], world.hosts[3:6], world.hosts[6:]]
    world.partition(*parts)
    nodes = [node for part in parts for node in world.register(part[0], 2)]
    world.run(120.0)
    world.heal()
    world.run_until(lambda: agree(world, len(nodes)), HEAL_SECONDS)
