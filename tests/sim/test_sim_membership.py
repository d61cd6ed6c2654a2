"""Registries find each other, come late, come back, and say how much of the network they hear."""

from __future__ import annotations

import pytest
from sim_scenes import agree, contact, formed, freshness, knows_all

from p2preg.sim import World, check_host
from p2preg.sim.host import Host

IN_VAIN_SECONDS = 1800.0


@pytest.mark.parametrize("registries", [5, 10])
def test_registries_that_know_one_seed_become_one_network(registries: int) -> None:
    world = World(registries, check=True)
    world.add_registries(registries)
    world.run_until(lambda: all(knows_all(host, registries) for host in world.hosts), 5.0)
    world.run_until(lambda: all(host.node.synced(host.now) for host in world.hosts), 5.0)
    world.run(6.0)
    for host in world.hosts:
        assert freshness(world, host)["registries_fresh"] == registries
        assert len(host.node.overlay.neighbours) >= min(4, registries - 1)


def test_registries_with_the_same_seeds_in_a_circle_become_one_network() -> None:
    world = World(2)
    endpoints = [f"10.0.{number}.1:4010" for number in range(4)]
    for _ in endpoints:
        world.add_registry(*endpoints, start=False)
    for host in world.hosts:
        host.start()
    world.run_until(lambda: all(knows_all(host, 4) for host in world.hosts), 10.0)


def test_every_registry_shows_a_node_the_same_within_a_second() -> None:
    world = formed(3, 6, check=True)
    for host in world.hosts:
        world.register(host, 2)
    world.run_until(lambda: agree(world, 12), 1.0)


def test_a_network_forms_while_gossip_is_being_lost() -> None:
    world = World(4)
    world.network.loss = 0.2
    for host in world.add_registries(8):
        world.register(host)
    world.run_until(lambda: agree(world, 8), 60.0)
    assert world.network.counts["lost"] > 0


def test_a_latecomer_has_everything_within_seconds() -> None:
    world = formed(5, 5)
    for host in world.hosts:
        world.register(host, 4)
    world.run(5.0)
    late = world.add_registry(world.hosts[2])
    world.run_until(lambda: agree(world, 20) and late.node.synced(late.now), 10.0)
    world.run_until(lambda: freshness(world, late)["registries_fresh"] == 6, 10.0)


def test_a_registry_that_was_away_for_an_hour_has_everything_within_seconds() -> None:
    world = formed(6, 4)
    away = world.hosts[3]
    world.register(away)
    world.run(1.0)
    away.stop()
    stayed = [node for host in world.hosts[:3] for node in world.register(host, 3)]
    world.run(3600.0)
    away.start()
    world.run_until(lambda: agree(world, len(stayed)), 10.0)
    assert all(contact(away, node) == "live" for node in stayed)


# --- synced and freshness (docs/architecture.md) ----------------------------------------------


def test_a_lone_registry_is_synced() -> None:
    world = World(7)
    lone = world.add_registry()
    world.run(1.0)
    assert freshness(world, lone) == {
        "registries_known": 1,
        "registries_fresh": 1,
        "oldest_heartbeat_age_s": 0.0,
        "synced": True,
        "preserving": False,
    }


def test_one_that_is_its_own_seed_is_alone() -> None:
    world = World(8)
    lone = world.add_registry("10.0.0.1:4010")
    world.run(1.0)
    assert freshness(world, lone)["synced"]
    assert world.network.counts["dials"] == 0


def test_one_that_finds_itself_behind_another_name_is_alone() -> None:
    world = World(15)
    lone = world.add_registry("myself.example:4010", start=False)
    world.network.alias("myself.example:4010", lone)
    lone.start()
    world.run(120.0)
    assert freshness(world, lone)["synced"]
    assert world.network.counts["dials"] == 1


def test_a_registry_whose_seeds_do_not_answer_is_not_synced_for_half_an_hour() -> None:
    world = World(9)
    hopeful = world.add_registry("10.9.9.9:4010")
    world.run(IN_VAIN_SECONDS - 10.0)
    assert not freshness(world, hopeful)["synced"]
    world.run(20.0)
    assert freshness(world, hopeful)["synced"]
    assert world.network.counts["dials failed"] >= IN_VAIN_SECONDS / 40


def test_a_registry_that_comes_back_alone_is_not_synced_since_it_knows_of_others() -> None:
    world = formed(10, 3)
    world.run(70.0)  # the routing table goes to disk once a minute
    for host in world.hosts:
        host.stop()
    world.hosts[2].start()
    world.run(60.0)
    assert not freshness(world, world.hosts[2])["synced"]
    world.hosts[1].start()
    world.run_until(lambda: freshness(world, world.hosts[2])["synced"], 60.0)


def test_a_seed_that_comes_up_late_is_found() -> None:
    world = World(11)
    early = world.add_registry("10.0.1.1:4010")
    world.run(120.0)
    late = world.add_registry()
    world.run_until(lambda: knows_all(early, 2) and knows_all(late, 2), 35.0)


def test_a_seed_that_goes_by_another_name_is_dialled_again_when_nobody_else_is_left() -> None:
    world = World(14)
    seed = world.add_registry()
    world.network.alias("seed.example:4010", seed)
    other = world.add_registry("seed.example:4010")
    world.run_until(lambda: knows_all(other, 2), 5.0)
    seed.crash()
    seed.disk.wipe()
    world.run(2000.0)
    assert not knows_all(other, 2)
    seed.start()
    world.run_until(lambda: knows_all(other, 2) and knows_all(seed, 2), 70.0)


# --- one key, one process ---------------------------------------------------------------------------------------


def test_a_key_that_is_used_twice_halts_the_older_process() -> None:
    world = formed(12, 12)
    first = world.hosts[1]
    second = world.add_registry(world.hosts[0], key=world.key(first.name))
    world.run_until(lambda: first.halted, 60.0)
    assert "our key" in str(first.halted)
    assert second.is_up


def test_a_registry_whose_clock_was_ahead_before_moves_above_its_own_cell() -> None:
    world = formed(13, 3)
    returning = world.hosts[2]
    returning.clock.step(200_000)
    world.run(420.0)  # until the registry cell has been signed anew, with the time that is ahead
    returning.crash()
    returning.disk.wipe()
    returning.clock.step(-200_000)
    world.run(5.0)
    seen = own_seq(world.hosts[0], returning)
    assert seen > returning.clock.now_ms
    returning.start()
    world.run_until(lambda: own_seq(world.hosts[0], returning) > seen, 20.0)
    check_host(returning)


def own_seq(at: Host, of: Host) -> int:
    cell = at.node.held.registry(of.id)
    return cell.seq if cell is not None else 0
