"""Networks that several tests begin with, and what they ask of them."""

from __future__ import annotations

from typing import Any

from p2preg.sim import World, differing
from p2preg.sim.checks import versions_at
from p2preg.sim.host import Host
from p2preg.sim.media import MediaNode


def formed(seed: int, registries: int, **settings: Any) -> World:
    """A network that is complete, at rest, and heard by all."""
    world = World(seed, **settings)
    world.add_registries(registries)
    world.run_until(lambda: all(knows_all(host, registries) for host in world.hosts), 30.0)
    world.run(6.0)  # one heartbeat of each
    return world


def knows_all(host: Host, registries: int) -> bool:
    return len(list(host.node.held.registries())) == registries


def contact(host: Host, node: MediaNode) -> str | None:
    """What the registry says of the node's contact; None when it knows no such node."""
    entry = host.node.registry.directory.get(node.id)
    return entry.contact if entry else None


def contacts(world: World, node: MediaNode) -> list[str | None]:
    """At all registries that run."""
    return [contact(host, node) for host in world.running]


def everywhere(world: World, node: MediaNode, wanted: str | None) -> bool:
    return all(seen == wanted for seen in contacts(world, node))


def agree(world: World, nodes: int) -> bool:
    """All registries that run show the same, and so many nodes."""
    return all(len(versions_at(host)) == nodes for host in world.running) and not differing(world.running)


def freshness(world: World, host: Host) -> dict[str, Any]:
    """As a client is told."""
    answer: dict[str, Any] = world.add_client(host).call("nodes.list")
    told: dict[str, Any] = answer["freshness"]
    return told


def eventful(seed: int) -> str:
    """The trace hash of a run with a bit of everything."""
    world = World(seed, latency=(0.01, 0.1))
    world.network.loss, world.network.jitter = 0.05, 0.5
    hosts = world.add_registries(5)
    nodes = [node for host in hosts for node in world.register(host, 2)]
    watcher = world.add_client(hosts[1])
    watcher.subscribe(include="all")
    world.run(5.0)
    world.partition(hosts[:2], hosts[2:])
    nodes[0].leave_socket()
    world.run(20.0)
    world.heal()
    hosts[4].crash()
    world.run(10.0)
    hosts[4].start()
    world.attach(nodes[9], hosts[0])
    hosts[3].stall(3.0)
    world.run(30.0)
    world.check()
    return world.trace.digest()
