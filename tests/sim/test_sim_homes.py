"""A Media Node moves between homes, describes itself, and declares its state."""

from __future__ import annotations

from typing import Any

import pytest
from sim_scenes import agree, contact, everywhere, formed

from p2preg.base.errors import Refused
from p2preg.cells.network import NetworkFile
from p2preg.sim import World
from p2preg.sim.host import Host
from p2preg.sim.media import MediaNode

HALF_A_DAY = 12 * 3600.0


def shown(world: World, host: Host, node: MediaNode) -> dict[str, Any]:
    [found] = world.add_client(host).call("nodes.get", node_ids=[node.id.hex()])["nodes"]
    assert isinstance(found, dict)
    return found


def call(node: MediaNode, method: str, **params: Any) -> Any:
    assert node.client is not None
    return node.client.call(method, **params)


def refusal(node: MediaNode, method: str, **params: Any) -> str:
    with pytest.raises(Refused) as caught:
        call(node, method, **params)
    return caught.value.reason


# --- moving ---------------------------------------------------------------------------------------------------


def test_a_node_that_registers_elsewhere_displaces_itself_and_keeps_its_state() -> None:
    world = formed(1, 4, check=True)
    [node] = world.register(world.hosts[0])
    successor = world.key("successor").public.hex()
    call(node, "node.drain", level="draining", reason="upgrade", successors=[successor])
    world.run(1.0)
    left = node.client
    assert world.attach(node, world.hosts[1])["state"] == "draining"
    world.run(1.0)
    assert left is not None
    assert [notice["reason"] for notice in left.notices] == ["displaced"]
    with pytest.raises(Refused) as caught:
        left.call("node.load", load=0.5)
    assert caught.value.reason == "node.displaced"
    for host in world.hosts:
        seen = shown(world, host, node)
        assert (seen["home"], seen["state"]) == (world.hosts[1].id.hex(), "draining")
        assert seen["drain"] == {"reason": "upgrade", "successors": [successor]}


def test_the_old_home_s_socket_closing_afterwards_changes_nothing() -> None:
    world = formed(2, 4)
    [node] = world.register(world.hosts[0])
    left = node.client
    world.attach(node, world.hosts[1])
    assert left is not None
    left.close()
    for _ in range(30):
        world.run(1.0)
        assert everywhere(world, node, "live")


def test_a_socket_that_closes_while_the_network_is_parted_does_not_expire_a_node_that_moved() -> None:
    world = formed(3, 4)
    [node] = world.register(world.hosts[0])
    world.run(2.0)
    left = node.client
    world.partition(world.hosts[:1], world.hosts[1:])
    world.attach(node, world.hosts[1])
    assert left is not None
    left.close()
    world.run(40.0)
    assert contact(world.hosts[0], node) == "expired", "it could not know better"
    world.heal()
    world.run_until(lambda: everywhere(world, node, "live"), 80.0)
    world.run(60.0)
    assert everywhere(world, node, "live")


def test_an_older_proof_cannot_take_a_node_back() -> None:
    world = formed(4, 3)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    client = world.add_client(world.hosts[1])
    client.hello()
    with pytest.raises(Refused) as caught:
        client.authenticate(node.key, "node", node.clock.now_ms - 10_000)
    assert caught.value.reason == "auth.stale"


def test_renewing_at_a_second_registry_makes_it_the_home() -> None:
    world = formed(5, 4)
    [node] = world.register(world.hosts[0], signed=True)
    world.run(1.0)
    client = world.add_client(world.hosts[1])
    client.hello()
    client.authenticate(node.key, "node", node.next_seq())
    renewed = client.call("node.renew", **node.proof_params(client))
    assert renewed["registry_id"] == world.hosts[1].id.hex()
    world.run(1.0)
    assert {shown(world, host, node)["home"] for host in world.hosts} == {world.hosts[1].id.hex()}


def test_a_node_of_plain_attributes_has_to_register_again_at_a_second_registry() -> None:
    world = formed(6, 3)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    client = world.add_client(world.hosts[1])
    client.hello()
    client.authenticate(node.key, "node", node.next_seq())
    with pytest.raises(Refused) as caught:
        client.call("node.renew", **node.proof_params(client))
    assert caught.value.reason == "node.unknown"


def test_a_node_keeps_its_home_when_it_moves_there_and_back() -> None:
    world = formed(7, 3)
    [node] = world.register(world.hosts[0])
    for number in (1, 2, 0, 1, 0):
        world.attach(node, world.hosts[number])
        world.run(1.0)
        assert {shown(world, host, node)["home"] for host in world.hosts} == {world.hosts[number].id.hex()}
    assert agree(world, 1)


def test_many_nodes_that_move_at_once_when_their_home_dies_are_live_within_seconds() -> None:
    world = formed(8, 5)
    nodes = world.register(world.hosts[0], 20)
    world.run(2.0)
    world.hosts[0].crash()
    for number, node in enumerate(nodes):
        node.attach(world.hosts[1 + number % 4])
    world.run_until(lambda: all(everywhere(world, node, "live") for node in nodes), 3.0)


def test_params_are_judged_before_the_claim_of_a_displaced_node() -> None:
    world = formed(16, 2)
    [node] = world.register(world.hosts[0])
    left = node.client
    world.run(1.0)
    world.attach(node, world.hosts[1])
    world.run(1.0)
    assert left is not None
    for params, reason in (({}, "params.invalid"), (node.description(), "node.displaced")):
        with pytest.raises(Refused) as caught:
            left.call("node.register", **params)
        assert caught.value.reason == reason


# --- the declared state -----------------------------------------------------------------------------------------


def test_the_declared_state_is_seen_everywhere_and_survives_the_home() -> None:
    world = formed(9, 4)
    home = world.hosts[0]
    [node] = world.register(home)
    assert call(node, "node.drain", level="cordoned") == {"state": "cordoned"}
    world.run(1.0)
    assert {shown(world, host, node)["state"] for host in world.hosts} == {"cordoned"}
    home.crash()
    home.start()
    assert world.attach(node, home)["state"] == "cordoned"
    assert call(node, "node.resume") == {"state": "serving"}
    world.run(1.0)
    assert {shown(world, host, node)["allocatable"] for host in world.hosts} == {True}


def test_a_move_that_the_states_do_not_allow_is_refused() -> None:
    world = formed(10, 2)
    [node] = world.register(world.hosts[0])
    assert refusal(node, "node.drain", level="stopping") == "node.bad_transition"


def test_a_node_that_left_is_expired_everywhere_and_starts_anew_when_it_returns() -> None:
    world = formed(11, 4)
    [node] = world.register(world.hosts[0])
    call(node, "node.drain", level="draining")
    assert call(node, "node.leave") == {"state": "stopped"}
    world.run(1.0)
    assert everywhere(world, node, "expired")
    assert refusal(node, "node.load", load=0.1) == "node.unknown"
    assert world.attach(node, world.hosts[2])["state"] == "serving"


# --- descriptions -----------------------------------------------------------------------------------------------


def test_a_signed_advert_outranks_plain_attributes_given_later() -> None:
    world = formed(12, 3)
    [node] = world.register(world.hosts[0], signed=True, region="eu-west")
    world.run(1.0)
    node.signed, node.attributes = False, node.attributes | {"region": "us-east"}
    assert world.attach(node, world.hosts[1])["warnings"] == ["signed_advert_stands"]
    world.run(1.0)
    for host in world.hosts:
        seen = shown(world, host, node)
        assert (seen["region"], seen["attested_by"]) == ("eu-west", "node")


def test_a_signed_advert_replaces_plain_attributes() -> None:
    world = formed(13, 3)
    [node] = world.register(world.hosts[0])
    node.signed = True
    assert world.attach(node, world.hosts[0])["outcome"] == "updated"
    world.run(1.0)
    assert {shown(world, host, node)["attested_by"] for host in world.hosts} == {"node"}


@pytest.mark.parametrize("signed", [False, True])
def test_an_unchanged_description_is_published_again_only_in_the_second_half_of_its_life(signed: bool) -> None:
    world = formed(14, 2)
    [node] = world.register(world.hosts[0], signed=signed)
    first = node.registered["advert_expires_ms"] if node.registered else 0
    world.run(60.0)
    again = world.attach(node, world.hosts[0])
    assert (again["outcome"], again["advert_expires_ms"]) == ("unchanged", first)
    node.leave_socket()
    for host in world.hosts:  # nobody has to live through the half day: time passes while all are off
        host.stop()
    world.run(HALF_A_DAY)
    for host in world.hosts:
        host.start()
    world.run(5.0)
    later = world.attach(node, world.hosts[0])
    assert later["advert_expires_ms"] > first


def test_a_home_refreshes_the_plain_adverts_of_its_attached_nodes() -> None:
    life_ms = int(HALF_A_DAY * 1000) + 60_000  # so the second half of its life begins after a minute
    lives = {1: 1_800_000, 2: life_ms, 3: 1_800_000}
    world = formed(15, 1, network_file=NetworkFile("brief", lives=lives))
    [node] = world.register(world.hosts[0])
    first = node.registered["advert_expires_ms"] if node.registered else 0
    world.run(700.0)
    held = world.hosts[0].node.held.current_advert(node.id)
    assert held is not None
    assert held.end_ms > first + 500_000
    assert contact(world.hosts[0], node) == "live"
