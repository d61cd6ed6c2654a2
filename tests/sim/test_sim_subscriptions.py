"""What a subscriber is told while the network changes. The simulated client itself checks the contract: `n` without a
gap, nothing entered twice, each digest the sum of what it holds."""

from __future__ import annotations

from typing import Any

import pytest
from sim_scenes import formed
from test_sim_homes import call

from p2preg.base.errors import Refused
from p2preg.sim import World
from p2preg.sim.host import Host
from p2preg.sim.subscriber import Subscriber

DIGEST_SECONDS = 30.0


def watch(world: World, host: Host, **params: Any) -> Subscriber:
    subscriber = world.add_client(host).subscribe(**params)
    world.run_until(lambda: subscriber.is_synced, 1.0)
    return subscriber


def told(subscriber: Subscriber, since: int = 0) -> list[tuple[str, str | None]]:
    """Type and reason of each event about a node."""
    return [(event["type"], event.get("reason")) for event in subscriber.log[since:] if "node_id" in event]


def test_a_snapshot_then_synced_then_what_changes() -> None:
    world = formed(1, 4, check=True)
    nodes = world.register(world.hosts[0], 3)
    world.run(1.0)
    subscriber = watch(world, world.hosts[1], include="live")
    assert subscriber.mode == "snapshot"
    assert [event["type"] for event in subscriber.log] == ["enter", "enter", "enter", "synced"]
    assert subscriber.freshness["synced"]
    [late] = world.register(world.hosts[2])
    world.run(1.0)
    nodes[0].leave_socket()
    world.run(1.0)
    call(nodes[1], "node.drain", level="cordoned")
    world.run(1.0)
    assert told(subscriber, since=4) == [("enter", "changed"), ("leave", "suspect"), ("update", "cordoned")]
    assert set(subscriber.versions) == {node.id.hex() for node in (*nodes[1:], late)}


def test_subscribers_at_all_registries_hold_the_same() -> None:
    world = formed(2, 5)
    subscribers = [watch(world, host, include="all") for host in world.hosts]
    nodes = [node for host in world.hosts for node in world.register(host, 3)]
    nodes[0].leave_socket()
    world.attach(nodes[4], world.hosts[0])
    world.run(2.0)
    assert len({subscriber.digest for subscriber in subscribers}) == 1
    assert len(subscribers[0].versions) == 15


def test_a_filter_and_its_include_decide_who_enters_and_leaves() -> None:
    world = formed(3, 3)
    subscriber = watch(world, world.hosts[0], filter={"eq": ["region", "eu"]})
    [european] = world.register(world.hosts[1], region="eu")
    [american] = world.register(world.hosts[1], region="us")
    world.run(1.0)
    assert list(subscriber.versions) == [european.id.hex()]
    american.attributes["region"] = "eu"
    world.attach(american, world.hosts[1])
    call(european, "node.drain", level="draining")
    world.run(1.0)
    assert told(subscriber) == [("enter", "changed"), ("enter", "changed"), ("leave", "draining")]


def test_load_is_an_update_only_for_those_who_ask_for_it() -> None:
    world = formed(4, 3)
    [node] = world.register(world.hosts[0])
    world.run(1.0)
    plain = watch(world, world.hosts[1])
    curious = watch(world, world.hosts[1], fields=["load"])
    placing = watch(world, world.hosts[1], filter={"lt": ["load", 0.7]})
    version = plain.versions[node.id.hex()]
    for load in (0.5, 0.9):
        call(node, "node.load", load=load)
        world.run(1.0)
    assert told(plain) == [("enter", "changed")]
    assert [kind for kind, _ in told(curious)] == ["enter", "update", "update"]
    assert [kind for kind, _ in told(placing)] == ["enter", "leave"]
    assert curious.nodes[node.id.hex()]["load"]["load"] == 0.9
    assert curious.versions[node.id.hex()] == version


def test_a_digest_comes_at_least_every_30_s() -> None:
    world = formed(5, 2)
    subscriber = watch(world, world.hosts[0])
    world.run(10 * DIGEST_SECONDS)
    assert sum(event["type"] == "digest" for event in subscriber.log) >= 10


def test_a_client_that_reads_slowly_is_told_the_latest_state_and_loses_nothing() -> None:
    world = formed(6, 3)
    nodes = world.register(world.hosts[0], 30)
    world.run(1.0)
    client = world.add_client(world.hosts[1])
    subscriber = client.subscribe(include="all", max_rate_ms=0)
    world.run(1.0)
    client.is_reading = False
    for level in ("cordoned", "draining"):
        for node in nodes:
            call(node, "node.drain", level=level)
    world.run(60.0)
    before = len(subscriber.log)
    client.read_again()
    world.run(2.0)
    assert before < len(subscriber.log) < before + 2 * len(nodes)
    assert {node["state"] for node in subscriber.nodes.values()} == {"draining"}


def test_a_client_that_reads_nothing_is_told_that_it_lagged_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2preg.registry.subscriptions.QUEUE_EVENTS_MAX", 20)
    world = formed(7, 2)
    slow, quick = world.add_client(world.hosts[0]), world.add_client(world.hosts[0])
    lagging, healthy = slow.subscribe(max_rate_ms=0), quick.subscribe(max_rate_ms=0)
    world.run(1.0)
    slow.is_reading = False
    for _ in range(8):
        world.register(world.hosts[1], 5)
        world.run(1.0)
    slow.read_again()
    world.run(2.0)
    assert lagging.is_lagged
    assert len(healthy.versions) == 40
    with pytest.raises(Refused) as caught:
        slow.call("nodes.unsubscribe", subscription=lagging.number)
    assert caught.value.reason == "subscription.unknown"
    assert slow.subscribe().mode == "snapshot"
    world.run(1.0)
    assert len(slow.subscribers[max(slow.subscribers)].versions) == 40


# --- resuming elsewhere -----------------------------------------------------------------------------------------


def test_a_subscriber_whose_registry_died_resumes_at_another_and_is_told_nothing_twice() -> None:
    world = formed(8, 4)
    world.register(world.hosts[1], 10)
    world.run(1.0)
    first = watch(world, world.hosts[0], include="live")
    world.hosts[0].crash()
    again = watch(world, world.hosts[2], include="live", resuming=first)
    assert again.mode == "difference"
    assert [event["type"] for event in again.log] == ["synced"]


def test_a_subscriber_that_missed_something_gets_a_snapshot() -> None:
    world = formed(9, 4)
    world.register(world.hosts[1], 3)
    world.run(1.0)
    first = watch(world, world.hosts[0], include="live")
    world.hosts[0].crash()
    world.register(world.hosts[1])
    world.run(1.0)
    again = watch(world, world.hosts[2], include="live", resuming=first)
    assert again.mode == "snapshot"
    assert len(again.versions) == 4


def test_a_registry_that_is_not_synced_keeps_a_resuming_client_waiting_until_it_is() -> None:
    world = formed(10, 3)
    world.register(world.hosts[0], 3)
    world.run(70.0)
    first = watch(world, world.hosts[0], include="live")
    returning = world.hosts[2]
    for host in world.hosts:
        host.stop()
    returning.disk.cells.clear()
    returning.start()
    world.run(1.0)
    client = world.add_client(returning)
    waiting = client.subscribe_nowait(Subscriber(), first, include="live")
    world.run(5.0)
    assert not waiting.is_done
    world.run(30.0)
    assert waiting.get()["mode"] == "snapshot"
    assert not waiting.get()["freshness"]["synced"]
