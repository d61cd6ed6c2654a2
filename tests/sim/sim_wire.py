"""Two machines that only listen, for tests of the network between them."""

from __future__ import annotations

from p2preg.sim import World
from p2preg.sim.clock import WallClock
from p2preg.sim.stranger import Stranger


class Listener(Stranger):
    """A stranger that keeps every event with its time."""

    def __init__(self, world: World, number: int) -> None:
        key, endpoint = world.key(f"listener {number}"), f"10.1.{number}.1:1"
        self.agenda = world.agenda
        self.events: list[tuple[float, object]] = []
        super().__init__(key, endpoint, world.network_file, world.network, WallClock(world.agenda))

    def post(self, event: object) -> None:
        super().post(event)
        self.events.append((round(self.agenda.now, 6), event))


def pair(seed: int = 1) -> tuple[World, Listener, Listener]:
    world = World(seed, latency=(0.1, 0.1))
    return world, Listener(world, 0), Listener(world, 1)


def dial(world: World, one: Listener, other: Listener) -> None:
    world.network.dial(one, other.endpoint, other.id)


def kinds(end: Listener) -> list[type]:
    return [type(event) for _, event in end.events]


def linked_pair(seed: int = 1) -> tuple[World, Listener, Listener]:
    """The link stands since a while ago."""
    world, alice, bob = pair(seed)
    dial(world, alice, bob)
    world.run(1.0)
    return world, alice, bob
