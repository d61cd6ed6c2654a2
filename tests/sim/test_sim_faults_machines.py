"""Clocks, disks, loops and processes: each fault takes place, and is undone."""

from __future__ import annotations

import math
from random import Random

import pytest
from sim_scenes import agree, everywhere, formed, knows_all

from p2preg.sim import World, check_host, differing
from p2preg.sim.checks import held_by
from p2preg.sim.clock import START_MS, Agenda, MonotonicClock, WallClock
from p2preg.sim.faults.fault import Fault, Scene
from p2preg.sim.faults.onmachines import (
    Backup,
    Crash,
    Drift,
    FullDisk,
    LostDisk,
    MassCrash,
    MassJoin,
    PowerLoss,
    SlowDisk,
    SlowLoops,
    Stalls,
    WrongClocks,
)
from p2preg.sim.host import Host

# --- clocks ---------------------------------------------------------------------------------------------------


def passed(agenda: Agenda, seconds: float) -> None:
    agenda.run(agenda.now + seconds)


def test_a_clock_that_drifts_gains_what_it_was_told_to_and_does_not_jump() -> None:
    agenda = Agenda()
    wall, monotonic = WallClock(agenda), MonotonicClock(agenda, 1_000)
    passed(agenda, 500.0)
    for clock in (wall, monotonic):
        clock.drift(1_000.0)
    assert (wall.offset_ms, monotonic.now) == (0, 1_500.0)
    passed(agenda, 100.0)
    assert (wall.offset_ms, monotonic.now) == (pytest.approx(100, abs=1), pytest.approx(1_600.1))
    wall.step(-250)
    for clock in (wall, monotonic):
        clock.drift(0.0)
    passed(agenda, 100.0)
    assert (wall.offset_ms, monotonic.now) == (pytest.approx(-150, abs=1), pytest.approx(1_700.1))
    assert wall.now_ms == START_MS + 700_000 + wall.offset_ms


@pytest.mark.parametrize("ppm", [0.0, 500.0, -500.0, 12_345.6])
def test_when_a_deadline_has_come_the_clock_shows_it(ppm: float) -> None:
    agenda, rng = Agenda(), Random(1)
    clock = MonotonicClock(agenda, rng.randrange(1 << 20))
    clock.drift(ppm)
    for _ in range(2_000):
        deadline = clock.now + rng.uniform(0.0, 10.0)
        at = clock.when(deadline)
        passed(agenda, 0.0)
        agenda.run(at)
        assert deadline <= clock.now <= deadline + 1e-6
        assert ppm or clock.now == deadline


def test_no_two_machines_agree_on_monotonic_time_and_nothing_comes_of_it() -> None:
    world = formed(1, 4)
    shown = [host.now for host in world.hosts]
    assert min(abs(a - b) for n, a in enumerate(shown) for b in shown[:n]) > 1.0
    nodes = world.register(world.hosts[0], 2)
    world.run_until(lambda: agree(world, len(nodes)), 5.0)


def test_a_registry_whose_clocks_run_fast_still_keeps_its_nodes() -> None:
    world = formed(2, 4)
    for host, ppm in zip(world.hosts, (-5_000.0, 5_000.0, 0.0, 500.0), strict=True):
        host.drift(ppm)
    nodes = [node for host in world.hosts for node in world.register(host)]
    world.run(1_800.0)
    assert abs(world.hosts[1].clock.offset_ms - 9_000) < 200
    assert all(everywhere(world, node, "live") for node in nodes)


# --- disks ----------------------------------------------------------------------------------------------------


def test_a_full_disk_ends_the_process_and_nothing_that_was_acknowledged_is_lost() -> None:
    world = formed(3, 3)
    home = world.hosts[0]
    [node] = world.register(home)
    home.disk.is_full = True
    other = world.add_node(home)
    world.run_until(lambda: not home.is_up, 5.0)
    assert home.halted == "the store cannot be written"
    assert other.registered is None
    home.disk.is_full = False
    home.start()
    assert home.node.held.current_lease(node.id) is not None


def test_a_restart_brings_back_what_was_durable_and_its_digests_are_right() -> None:
    world = formed(4, 3)
    world.register(world.hosts[0], 5)
    world.run(1.0)
    home = world.hosts[0]
    before = held_by(home)
    world.network.cut([home], world.hosts[1:])
    home.crash()
    home.start()
    after = held_by(home)
    own = [key for key in before if before[key] == home.disk.cells[key].raw and after[key] != before[key]]
    assert len(own) <= 1, "only its own registry cell is new"
    check_host(home)


def test_what_is_lost_with_an_old_backup_comes_back_from_the_others() -> None:
    world = formed(5, 3)
    home = world.hosts[0]
    backup = home.disk.snapshot()
    nodes = world.register(world.hosts[1], 3)
    world.run(1.0)
    home.crash()
    home.disk.restore(backup)
    home.start()
    assert all(home.node.held.current_lease(node.id) is None for node in nodes)
    world.run_until(lambda: agree(world, 3), 10.0)


# --- loops ----------------------------------------------------------------------------------------------------


def test_a_slow_loop_takes_its_time_for_each_event_and_loses_none() -> None:
    world = formed(6, 2)
    host = world.hosts[0]
    host.slow_down(0.5)
    client = world.add_client(host)
    calls = [client.send("rpc.ping") for _ in range(4)]
    done = [world.run_until(lambda call=call: call.is_done, 30.0) for call in calls]  # type: ignore[misc]
    assert sum(done) >= 1.5
    host.slow_down(0.0)
    world.run(10.0)
    assert host.node.registry.homes.heard(world.hosts[1].id, host.now)
    assert client.call("rpc.ping")


# --- as a swarm uses them -------------------------------------------------------------------------------------

PROCESSES = (Crash, PowerLoss, MassCrash, LostDisk, Backup, FullDisk)
REST = (MassJoin, SlowDisk, Stalls, SlowLoops, WrongClocks, Drift)


@pytest.mark.parametrize("kind", [*PROCESSES, *REST])
def test_a_fault_of_machines_takes_place_is_undone_and_the_network_is_well_again(kind: type[Fault]) -> None:
    world = formed(1, 6)
    scene = Scene(world, Random(2), ends_at=world.now + 40.0)
    fault = kind(scene.rng)
    fault.begin(scene)
    for at in range(38):
        world.agenda.after(at, world.add_node, world.hosts[at % 6])
    ended = dict.fromkeys(host.name for _ in range(80) for host in _down_after(world, 0.5))
    fault.end(scene)
    assert fault.acts > 0
    assert bool(ended) == (kind in PROCESSES)
    count = len(world.hosts)
    assert (count > 6) == (kind is MassJoin)
    world.run_until(lambda: all(knows_all(host, count) for host in world.hosts) and not differing(world.hosts), 60.0)
    assert all(host.disk.delay < 0.01 and not host.disk.is_full for host in world.hosts)
    assert all(math.isclose(host.clock.offset_ms, 0.0, abs_tol=2_000.0) for host in world.hosts)


def _down_after(world: World, seconds: float) -> list[Host]:
    world.run(seconds)
    return [host for host in world.hosts if not host.is_up]
