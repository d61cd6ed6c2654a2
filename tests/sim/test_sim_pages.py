"""What is said in pages, load and quality, reaches all and ends by itself."""

from __future__ import annotations

from typing import Any

from sim_scenes import formed
from test_sim_homes import call, shown

from p2preg.sim import World
from p2preg.sim.media import MediaNode

PAGE_SECONDS = 120.0


def loads(world: World, node: MediaNode) -> list[Any]:
    return [shown(world, host, node).get("load") for host in world.running]


def test_load_reaches_all_in_its_own_units_and_ends_after_its_home() -> None:
    world = formed(1, 4)
    home = world.hosts[0]
    [node] = world.register(home)
    world.run(1.0)
    call(node, "node.load", load=1.25, participants=40, out_bps=3_000_000)
    world.run(1.0)
    for load in loads(world, node):
        assert (load["load"], load["participants"], load["out_bps"]) == (1.25, 40, 3_000_000)
    home.crash()
    world.run(PAGE_SECONDS - 20.0)
    assert None not in loads(world, node)
    world.run(30.0)
    assert loads(world, node) == [None] * 3


def test_a_home_refreshes_the_load_of_attached_nodes() -> None:
    world = formed(2, 3)
    [node] = world.register(world.hosts[0])
    call(node, "node.load", load=0.5)
    world.run(10 * PAGE_SECONDS)
    assert [load["load"] for load in loads(world, node)] == [0.5] * 3
    assert shown(world, world.hosts[1], node)["load_age_s"] > 9 * PAGE_SECONDS


def test_load_from_a_former_home_does_not_count() -> None:
    world = formed(3, 3)
    [node] = world.register(world.hosts[0])
    call(node, "node.load", load=0.9)
    world.run(1.0)
    world.attach(node, world.hosts[1])
    world.run(1.0)
    assert loads(world, node) == [None] * 3
    call(node, "node.load", load=0.2)
    world.run(1.0)
    assert [load["load"] for load in loads(world, node)] == [0.2] * 3


def test_a_report_of_quality_shows_at_every_registry_within_15_s() -> None:
    world = formed(4, 4)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    reporter = world.add_client(world.hosts[2])
    reporter.hello()
    now_ms = world.hosts[2].clock.now_ms
    reporter.authenticate(world.key("reporter"), "client", now_ms)
    answer = reporter.call(
        "qos.report",
        node_id=node.id.hex(),
        start_ms=now_ms - 10_000,
        end_ms=now_ms,
        samples=[{"kind": "video", "bitrate": 2_000_000, "fractionLost": 0.01, "roundTripTime": 0.05}],
    )
    assert answer["accepted"] == 1
    world.run(15.0)
    for host in world.hosts:
        seen = world.add_client(host).call("qos.get", node_id=node.id.hex())
        assert seen["confidence"] > 0
        assert seen["reports"] >= 1
        assert "qos" in shown(world, host, node)


def test_a_late_registry_is_told_of_load_and_quality_within_15_s() -> None:
    world = formed(5, 3)
    [node] = world.register(world.hosts[0])
    call(node, "node.load", load=0.5)
    world.run(1.0)
    reporter = world.add_client(world.hosts[1])
    reporter.hello()
    now_ms = world.hosts[1].clock.now_ms
    reporter.authenticate(world.key("reporter"), "client", now_ms)
    samples = [{"kind": "audio", "bitrate": 32_000}]
    window = {"start_ms": now_ms - 10_000, "end_ms": now_ms, "samples": samples}
    reporter.call("qos.report", node_id=node.id.hex(), **window)
    world.run(1.0)
    [late] = world.add_registries(1)
    world.run(15.0)
    seen = shown(world, late, node)
    assert seen["load"]["load"] == 0.5
    assert "qos" in seen


def test_a_node_that_left_and_comes_back_has_no_load_until_it_says_one() -> None:
    world = formed(6, 3)
    [node] = world.register(world.hosts[0])
    call(node, "node.load", load=0.5)
    world.run(1.0)
    call(node, "node.leave")
    world.run(1.0)
    world.attach(node, world.hosts[0])
    world.run(1.0)
    assert loads(world, node) == [None] * 3


def test_the_age_of_a_load_is_that_of_its_measurement_at_its_home_as_elsewhere() -> None:
    world = formed(7, 3)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    call(node, "node.load", load=0.5, measured_ms=node.clock.now_ms - 10_000)
    for seconds in (1.0, 100.0):
        world.run(seconds)
        ages = [shown(world, host, node)["load_age_s"] for host in world.hosts]
        assert min(ages) >= 10.0 + seconds - 0.5
        assert max(ages) - min(ages) < 1.0


def test_a_load_that_comes_with_the_proof_for_a_new_home_is_seen_everywhere() -> None:
    world = formed(8, 3)
    [node] = world.register(world.hosts[0], signed=True)
    world.run(1.0)
    client = world.add_client(world.hosts[1])
    client.hello()
    client.authenticate(node.key, "node", node.next_seq())
    client.call("node.renew", load={"load": 0.75}, **node.proof_params(client))
    world.run(1.0)
    assert [load and load["load"] for load in loads(world, node)] == [0.75] * 3


def test_a_load_that_is_sent_before_the_registration_is_acknowledged_is_seen_everywhere() -> None:
    world = formed(9, 3)
    node = world.add_node()
    client = world.add_client(world.hosts[0])
    client.hello()
    client.authenticate(node.key, "node", node.next_seq())
    client.send("node.register", **node.description())
    client.call("node.load", load=0.25)
    world.run(1.0)
    assert [load and load["load"] for load in loads(world, node)] == [0.25] * 3
