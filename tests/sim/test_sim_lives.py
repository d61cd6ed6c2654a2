"""Networks whose file asks for other lives and fewer slots than the default."""

from __future__ import annotations

import pytest
from sim_scenes import agree, contact, everywhere, formed, knows_all

from p2preg.base.errors import Refused
from p2preg.cells.network import NetworkFile

MINUTE_MS = 60_000


def short_lived() -> NetworkFile:
    return NetworkFile("brief", lives={1: 6 * MINUTE_MS, 2: 20 * MINUTE_MS, 3: 5 * MINUTE_MS})


def test_nodes_and_registries_stay_in_a_network_of_short_lives() -> None:
    world = formed(1, 3, network_file=short_lived())
    nodes = [*world.register(world.hosts[0]), *world.register(world.hosts[1], signed=False)]
    for _ in range(10):
        world.run(120.0)
        assert all(everywhere(world, node, "live") for node in nodes)
        assert all(knows_all(host, 3) for host in world.hosts)


@pytest.mark.parametrize("after", [200.0, 299.0, 301.0, 1700.0])
def test_a_socket_that_closes_late_in_a_short_life_does_no_harm(after: float) -> None:
    world = formed(2, 3, network_file=short_lived())
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    left, node.client = node.client, None  # it forgets to renew
    world.run(after)
    assert left is not None
    left.close()
    world.run(30.0)
    assert contact(world.hosts[1], node) in ("expired", None)


def test_when_all_slots_are_taken_a_registration_is_refused_until_a_lease_ends() -> None:
    world = formed(3, 2, network_file=NetworkFile("narrow", slots=2))
    first, second = world.register(world.hosts[0], 2)
    third = world.add_node()
    with pytest.raises(Refused) as caught:
        world.attach(third, world.hosts[0])
    assert caught.value.reason == "limit.quota"
    assert first.client is not None
    first.client.call("node.leave")
    first.client = None
    world.run(1801.0)
    world.attach(third, world.hosts[0])
    world.run(1.0)
    assert everywhere(world, third, "live")
    assert everywhere(world, second, "live")
    assert agree(world, 2)


def test_a_node_that_proves_itself_too_late_does_not_take_the_slot_of_another() -> None:
    """Its lease has ended, its slot is somebody else's, and only the tick has not looked yet."""
    world = formed(4, 2, network_file=NetworkFile("narrow", slots=2))
    home = world.hosts[0]
    late, steady = world.register(home, 2)
    client, late.client = late.client, None  # it forgets to renew
    assert client is not None
    assert late.registered is not None
    end_ms = late.registered["lease"]["expires_ms"]
    other = world.add_node()
    client_of_other = world.add_client(home)
    world.run((end_ms - home.clock.now_ms) / 1000 - 0.5)
    client_of_other.hello()
    client_of_other.authenticate(other.key, "node", other.next_seq())
    world.run_until(lambda: home.clock.now_ms >= end_ms, 1.0)
    assert home.node.registry.guests.get(late.id) is not None
    given = client_of_other.call("node.register", **other.description())
    assert home.node.registry.guests.get(late.id) is not None, "the tick was quicker than this test"
    client.authenticate(late.key, "node", late.next_seq())
    with pytest.raises(Refused) as caught:
        client.call("node.register", **late.description())
    assert caught.value.reason == "limit.quota"
    world.run(5.0)
    assert given["state"] == "serving"
    assert agree(world, 2)
    assert everywhere(world, steady, "live")
    assert everywhere(world, other, "live")


def test_a_proof_from_before_the_clock_was_set_back_is_refused_and_harms_nobody() -> None:
    world = formed(5, 2)
    node = world.add_node()
    client = world.add_client(world.hosts[0])
    client.hello()
    client.authenticate(node.key, "node", node.next_seq())
    world.hosts[0].clock.step(-100_000)
    with pytest.raises(Refused) as caught:
        client.call("node.register", **node.description())
    assert caught.value.reason == "auth.clock"
