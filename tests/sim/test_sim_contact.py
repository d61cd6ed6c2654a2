"""What registries say of a Media Node when its socket, its home or the network fails (docs/architecture.md)."""

from __future__ import annotations

import pytest
from sim_scenes import agree, contact, contacts, everywhere, formed, freshness

from p2preg.sim import World
from p2preg.sim.checks import held_by
from p2preg.sim.host import Host
from p2preg.sim.media import MediaNode

SPREAD_SECONDS = 1.0
GONE_SECONDS = 15.0
HEARD_SECONDS = 15.0  # three intervals of 5 s
PRESERVING_SECONDS = 120.0


def seen_by(world: World, node: MediaNode, observers: list[Host], wanted: str | None) -> bool:
    return all(contact(host, node) == wanted for host in observers)


# --- the node's socket ----------------------------------------------------------------------------------------


def test_a_closed_socket_makes_its_node_suspect_everywhere_at_once_and_expired_15_s_later() -> None:
    world = formed(1, 5, check=True)
    [node] = world.register(world.hosts[0])
    world.run_until(lambda: everywhere(world, node, "live"), SPREAD_SECONDS)
    node.leave_socket()
    world.run_until(lambda: everywhere(world, node, "suspect"), SPREAD_SECONDS)
    world.run(GONE_SECONDS - 2.0)
    assert everywhere(world, node, "suspect")
    world.run_until(lambda: everywhere(world, node, "expired"), 3.0)


def test_a_node_that_is_back_within_the_grace_is_live_and_stays_so() -> None:
    world = formed(2, 4)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    node.leave_socket()
    world.run(10.0)
    world.attach(node, world.hosts[0])
    world.run_until(lambda: everywhere(world, node, "live"), SPREAD_SECONDS)
    world.run(20.0)
    assert everywhere(world, node, "live")


def test_a_silent_socket_is_suspect_after_10_s_and_live_again_when_it_answers() -> None:
    world = formed(3, 4)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    assert node.client is not None
    node.client.fall_silent()
    world.run(9.0)
    assert everywhere(world, node, "live")
    world.run_until(lambda: everywhere(world, node, "suspect"), 2.0)
    node.client.speak_again()
    world.run_until(lambda: everywhere(world, node, "live"), SPREAD_SECONDS)
    world.run(20.0)
    assert everywhere(world, node, "live")


def test_a_socket_that_stays_silent_expires_and_its_lease_ends() -> None:
    world = formed(4, 3)
    [node] = world.register(world.hosts[0])
    assert node.client is not None
    node.client.fall_silent()
    world.run(10.0 + GONE_SECONDS + 1.0)
    assert everywhere(world, node, "expired")
    world.run(1800.0)
    assert everywhere(world, node, None)


def test_a_socket_that_was_silent_and_closes_does_not_bring_an_expired_node_back() -> None:
    world = formed(41, 3)
    [node] = world.register(world.hosts[0])
    assert node.client is not None
    node.client.fall_silent()
    world.run(10.0 + GONE_SECONDS + 1.0)
    assert everywhere(world, node, "expired")
    node.client.close()
    for _ in range(20):
        world.run(1.0)
        assert everywhere(world, node, "expired")


def test_a_silent_socket_that_closes_gives_its_node_no_second_grace() -> None:
    world = formed(42, 3)
    [node] = world.register(world.hosts[0])
    assert node.client is not None
    node.client.fall_silent()
    world.run(10.0 + GONE_SECONDS - 3.0)
    assert everywhere(world, node, "suspect")
    node.client.close()
    world.run(5.0)
    assert everywhere(world, node, "expired")


def test_a_healthy_node_is_live_for_hours_and_costs_one_lease_in_ten_minutes() -> None:
    world = formed(5, 3)
    [node] = world.register(world.hosts[0])
    for _ in range(4):
        world.run(900.0)
        assert everywhere(world, node, "live")
    assert 5 <= node.renewals <= 6


# --- the node's home ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True])
def test_a_node_whose_home_is_gone_is_unknown_and_not_dead(silent: bool) -> None:
    world = formed(6, 5)
    home, others = world.hosts[0], world.hosts[1:]
    [node] = world.register(home)
    world.run(6.0)
    home.crash(silent=silent)
    world.run_until(lambda: seen_by(world, node, others, "unknown"), HEARD_SECONDS + 6.0)
    world.run(600.0)
    assert everywhere(world, node, "unknown")


def test_a_home_that_says_farewell_leaves_its_nodes_unknown_at_once() -> None:
    world = formed(7, 5)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    world.hosts[0].stop()
    world.run_until(lambda: everywhere(world, node, "unknown"), 3.0)
    assert not freshness(world, world.hosts[1])["preserving"]


def test_nothing_that_was_acknowledged_is_lost_in_a_crash_with_disk() -> None:
    world = formed(8, 4)
    home = world.hosts[0]
    home.disk.delay = 0.5
    nodes = [world.add_node(home) for _ in range(20)]
    world.run(0.4)
    late = [world.add_node(home) for _ in range(20)]
    world.run(0.3)
    acknowledged = [node for node in nodes + late if node.registered]
    assert 0 < len(acknowledged) < 40
    home.crash()
    home.start()
    world.run(20.0)
    for node in acknowledged:
        assert contact(home, node) is not None
    assert agree(world, len(world.hosts[1].node.registry.directory))


def test_what_was_not_acknowledged_was_not_seen_by_anybody() -> None:
    world = formed(9, 3)
    home = world.hosts[0]
    home.disk.delay = 5.0
    node = world.add_node(home)
    world.run(3.0)
    home.crash()
    world.run(10.0)
    assert node.registered is None
    assert contacts(world, node) == [None, None]


def test_nothing_that_was_acknowledged_is_lost_in_a_crash_without_disk() -> None:
    world = formed(10, 4)
    home = world.hosts[0]
    nodes = world.register(home, 5)
    world.run(1.0)
    home.crash()
    home.disk.wipe()
    home.start()
    world.run_until(lambda: agree(world, 5), 20.0)
    for node in nodes:
        world.attach(node, home)
    world.run_until(lambda: all(everywhere(world, node, "live") for node in nodes), 10.0)
    world.run(120.0)
    assert all(everywhere(world, node, "live") for node in nodes)


@pytest.mark.parametrize("keep_disk", [True, False])
def test_leftovers_of_an_earlier_run_are_gone_after_a_minute_and_stay_gone(keep_disk: bool) -> None:
    world = formed(11, 4)
    home = world.hosts[0]
    back, left = world.register(home, 2)
    world.run(1.0)
    home.crash()
    if not keep_disk:
        home.disk.wipe()
    world.run(1.0)
    home.start()
    world.run(8.0)
    assert everywhere(world, left, "unknown")
    world.attach(back, home)
    world.run(60.0)
    assert everywhere(world, left, "expired")
    assert everywhere(world, back, "live")
    for host in world.hosts[1:]:
        host.crash()
        host.start()
        world.run(5.0)
    assert everywhere(world, left, "expired")
    world.run(1800.0)
    assert everywhere(world, left, None)
    assert everywhere(world, back, "live")


def test_leftovers_that_a_home_without_its_disk_hears_of_late_are_gone_all_the_same() -> None:
    world = formed(43, 4)
    home, others = world.hosts[0], world.hosts[1:]
    [left] = world.register(home)
    world.run(1.0)
    home.crash()
    home.disk.wipe()
    world.partition([home], others)
    home.start()
    world.run(90.0)
    world.heal()
    world.run_until(lambda: contact(home, left) is not None, 60.0)
    world.run(5.0)
    assert everywhere(world, left, "expired")


def test_a_node_that_left_does_not_come_back_with_a_registry_that_was_away() -> None:
    world = formed(12, 4)
    [node] = world.register(world.hosts[0])
    away = world.hosts[3]
    world.run(2.0)
    away.crash()
    assert node.client is not None
    node.client.call("node.leave")
    world.run(1.0)
    away.start()
    world.run(15.0)
    assert everywhere(world, node, "expired")
    world.run(2450.0)
    assert everywhere(world, node, None)
    assert all(node.id not in b"".join(held_by(host)) for host in world.hosts)


# --- the registry that judges ---------------------------------------------------------------------------------


def test_a_registry_that_is_cut_off_preserves_for_two_minutes_and_says_so() -> None:
    world = formed(13, 6)
    cut_off, others = world.hosts[0], world.hosts[1:]
    nodes = [node for host in others for node in world.register(host)]
    world.run(2.0)
    world.partition([cut_off], others)
    world.run(HEARD_SECONDS + 10.0)
    told = freshness(world, cut_off)
    assert (told["preserving"], told["registries_fresh"]) == (True, 1)
    assert all(contact(cut_off, node) == "live" for node in nodes)
    world.run(PRESERVING_SECONDS)
    assert not freshness(world, cut_off)["preserving"]
    assert all(contact(cut_off, node) == "unknown" for node in nodes)
    world.run(300.0)
    assert not freshness(world, cut_off)["preserving"], "it may not begin again before it was below"
    world.heal()
    world.run_until(lambda: all(contact(cut_off, node) == "live" for node in nodes), 70.0)


def test_two_homes_that_fail_are_no_reason_to_preserve() -> None:
    world = formed(14, 6)
    nodes = [node for host in world.hosts[:2] for node in world.register(host)]
    world.run(2.0)
    for host in world.hosts[:2]:
        host.crash()
    world.run(HEARD_SECONDS + 10.0)
    assert all(everywhere(world, node, "unknown") for node in nodes)
    assert not freshness(world, world.hosts[5])["preserving"]


def test_signed_facts_count_while_a_registry_preserves() -> None:
    world = formed(15, 6)
    watcher, homes, bridge = world.hosts[0], world.hosts[1:4], world.hosts[4:]
    [node] = world.register(bridge[0])
    world.run(2.0)
    for home in homes:
        home.crash(silent=True)
    world.run(HEARD_SECONDS + 6.0)
    assert freshness(world, watcher)["preserving"]
    node.leave_socket()
    world.run(2.0)
    assert contact(watcher, node) == "suspect"


def test_a_stalled_event_loop_judges_nobody_dead() -> None:
    world = formed(16, 6)
    nodes = [node for host in world.hosts[1:3] for node in world.register(host)]
    world.run(2.0)
    world.hosts[0].stall(25.0)
    for _ in range(60):
        world.run(1.0)
        assert all(contact(world.hosts[0], node) == "live" for node in nodes)


def test_whoever_stood_still_itself_gives_the_others_time_to_be_heard_again() -> None:
    """Two registries on one machine that was paused; the observer is back first."""
    world = formed(21, 6)
    observer, home = world.hosts[:2]
    [node] = world.register(home)
    world.run(2.0)
    observer.stall(20.0)
    home.stall(24.0)
    for _ in range(40):
        world.run(1.0)
        assert contact(observer, node) == "live"


def test_a_home_that_hears_nobody_tells_its_nodes() -> None:
    world = formed(17, 5)
    [node] = world.register(world.hosts[0])
    world.partition(world.hosts[:1], world.hosts[1:])
    world.run(HEARD_SECONDS + 10.0)
    assert node.client is not None
    assert [notice["reason"] for notice in node.client.notices] == ["isolated"]
    assert {each["registry_id"] for each in node.client.notices[0]["registries"]} <= {h.id.hex() for h in world.hosts}


def test_a_node_that_registers_at_an_isolated_home_is_told_as_well() -> None:
    world = formed(44, 3)
    world.partition(world.hosts[:1], world.hosts[1:])
    world.run(HEARD_SECONDS + 5.0)
    [node] = world.register(world.hosts[0])
    world.run(2.0)
    assert node.client is not None
    assert [notice["reason"] for notice in node.client.notices] == ["isolated"]


# --- clocks and hoarders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_ms", [-200_000, 200_000, -3_000_000, 3_000_000])
def test_a_step_of_a_home_s_clock_kills_no_node(by_ms: int) -> None:
    world = formed(18, 5)
    [node] = world.register(world.hosts[1])
    world.run(2.0)
    world.hosts[1].clock.step(by_ms)
    for _ in range(60):
        world.run(1.0)
        assert all(contact(host, node) == "live" for host in world.hosts if host is not world.hosts[1])


def test_a_step_of_an_observer_s_clock_by_minutes_kills_no_node() -> None:
    world = formed(19, 5)
    [node] = world.register(world.hosts[1])
    world.run(2.0)
    for by_ms in (240_000, -480_000, 240_000):
        world.hosts[0].clock.step(by_ms)
        for _ in range(40):
            world.run(1.0)
            assert contact(world.hosts[0], node) == "live"


def test_hoarded_batches_keep_no_dead_home_alive() -> None:
    """Mallory alone hears the home, and passes on what it says a minute late, also when it has died."""
    world = formed(20, 3)
    home, mallory, observer = world.hosts
    [node] = world.register(home)
    world.run(10.0)
    world.partition([home], [observer])
    world.run(30.0)
    assert contact(observer, node) == "live"
    world.network.delay(mallory, observer, 60.0)
    world.run(20.0)
    home.crash(silent=True)
    world.run(30.0)
    assert contact(observer, node) == "unknown"
    for _ in range(120):
        world.run(1.0)
        assert contact(observer, node) == "unknown"
