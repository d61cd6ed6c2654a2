"""The overlay's experiments on small networks: what they promise on a thousand registries, and that they can fail."""

from __future__ import annotations

import os

import pytest

from p2preg.overlay.config import OverlayConfig
from p2preg.sim.mesh.components import greatest_component
from p2preg.sim.mesh.forks import in_a_copy
from p2preg.sim.mesh.mesh import Mesh
from p2preg.sim.mesh.regions import JITTER, RegionMap, great_circle_km, one_way_seconds, read_regions
from p2preg.sim.scenario import Setting
from p2preg.sim.scenarios import regions
from p2preg.sim.scenarios.crash_half import CRASH_HALF
from p2preg.sim.scenarios.mass_failure import MASS_FAILURE
from p2preg.sim.world import World

REGIONS = {region.name: region for region in read_regions()}


def test_the_regions_are_where_they_are_and_as_far_apart_as_the_other_simulator_has_them() -> None:
    assert len(REGIONS) == 19
    assert sum(region.weight for region in REGIONS.values()) == 4_453
    assert great_circle_km(REGIONS["lhr"], REGIONS["ewr"]) == pytest.approx(5_560, rel=0.01)
    assert one_way_seconds(REGIONS["lhr"], REGIONS["ewr"]) == pytest.approx((4 + 5_560 / 75) / 2_000, rel=0.01)
    assert one_way_seconds(REGIONS["syd"], REGIONS["syd"]) == 0.002


@pytest.mark.parametrize("count", [1, 50, 1_000])
def test_registries_are_placed_in_proportion_to_the_weights(count: int) -> None:
    placed = [RegionMap(1, count).region_of(number) for number in range(count)]
    for region in REGIONS.values():
        assert abs(placed.count(region.name) - count * region.weight / 4_453) <= 1


def test_messages_of_one_link_keep_their_order_whatever_their_jitter() -> None:
    places = RegionMap(1, 20)
    mesh = Mesh(1, 20, latency=places.latency, jitter=JITTER)
    mesh.introduce()
    mesh.run(30.0)
    mesh.hold_origins(mesh.peers[:1])
    for _ in range(50):
        mesh.publish(mesh.peers[0])
        mesh.run(0.001)
    mesh.run(5.0)
    for earlier, later in zip(mesh.spreads, mesh.spreads[1:], strict=False):
        for number, seconds in earlier.reached.items():
            if earlier.hops[number] == later.hops[number] == 1:
                assert earlier.sent_at + seconds <= later.sent_at + later.reached[number]


def test_near_places_bring_the_last_registry_of_the_world_nearer() -> None:
    with_near = regions.measure(Setting(60, 1)).figures
    by_chance = regions.measure(Setting(60, 1), OverlayConfig(near_wanted=0, near_max=0)).figures
    assert with_near["near_neighbours"] > 1 > by_chance["near_neighbours"] == 0
    assert with_near["last_p99_ms"] < 203
    assert with_near["last_p50_ms"] < by_chance["last_p50_ms"]
    assert with_near["duplicates_per_node_and_message"] <= 0.2
    assert with_near["payload_sends_per_message"] <= 59 * 1.2
    assert with_near["flooding_duplicates_per_node_and_message"] > 4


def test_whole_registries_measure_each_other_too() -> None:
    world = World(1, codec=False)
    hosts = world.add_registries(16, apart=0.05)
    world.run(60.0)
    near = [host.node.overlay.statistics().near for host in hosts]
    assert sum(near) >= 4
    world.check()


def test_half_of_a_network_crashes_and_the_others_hear_everything() -> None:
    outcome = CRASH_HALF.run(Setting(60, 1))
    assert outcome.figures["reliability_at_once"] >= 0.999
    assert outcome.figures["reliability_after_repair"] == 1.0
    assert outcome.figures["reliability_after_repair_when_told"] == 1.0


def test_the_same_seed_gives_the_same_trace_in_a_copy_of_the_process_too() -> None:
    assert CRASH_HALF.run(Setting(16, 1)) == CRASH_HALF.run(Setting(16, 1))


def test_a_network_survives_the_papers_failures() -> None:
    outcome = MASS_FAILURE.run(Setting(100, 1))
    figures = outcome.figures
    assert figures["ours_redundancy_first"] > 1
    assert figures["paper_redundancy_later"] <= 0.05
    assert figures["ours_reliability_after_50_percent"] >= 0.99
    assert figures["ours_connected_reliability_4_cycles_after_90_percent"] == 1.0
    assert figures["ours_mean_degree"] > figures["paper_mean_degree"]
    (picture,) = outcome.pictures
    assert "right after" in picture.svg


# --- the means ----------------------------------------------------------------------------------------------


def test_the_greatest_component_is_of_the_living_whom_both_ends_count() -> None:
    mesh = Mesh(1, 12)
    mesh.introduce()
    mesh.run(10.0)
    assert greatest_component(mesh) == list(range(12))
    mesh.crash(mesh.peers[:4])
    assert greatest_component(mesh) == list(range(4, 12))
    assert greatest_component(Mesh(1, 3)) in ([0], [1], [2])


def test_what_happens_in_a_copy_of_the_process_stays_there_but_for_its_result() -> None:
    here = [os.getpid()]

    def change() -> int:
        here.append(os.getpid())
        return here[-1]

    assert in_a_copy(change) != here[0]
    assert len(here) == 1


def test_a_failed_assertion_in_a_copy_fails_here_and_a_crash_is_told() -> None:
    def fail() -> None:
        raise AssertionError("the overlay fell apart")

    with pytest.raises(AssertionError, match="fell apart"):
        in_a_copy(fail)
    with pytest.raises(RuntimeError, match="ended early"):
        in_a_copy(lambda: os._exit(1))
