"""The Media Nodes: each a real client of the SDK, half of them with a signed description and half with plain
attributes, with loads that wander as rooms come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import trio

from p2preg.client import ClientError, MediaNode, NodeEvent
from p2preg.client.config import ClientConfig
from p2preg.crypto.keys import SEED_BYTES, IdentityKey
from p2preg.demo.pulse import Pulse
from p2preg.demo.sites import attributes_of, load_of, site_of

ABRUPT = ClientConfig(close=0.0)  # who is cancelled cuts the socket, as a process that died would
ARRIVAL_SECONDS = 1.5  # over which the fleet arrives
ARRIVAL_GAP_SECONDS_MAX = 0.03
LOAD_CHANGES_PER_SECOND = 8.0  # over the whole fleet
LOAD_STEP = 0.08
LOAD_MAX = 1.1  # it may exceed 1
_ACKNOWLEDGED = ("created", "updated", "unchanged", "renewed")


@dataclass(slots=True, eq=False)
class Guest:
    """One Media Node with what the demo knows of it. `acknowledged`: (when, at which registry) of each answer that made
    a registry its home."""

    number: int
    attributes: dict[str, Any]
    node: MediaNode
    load: float
    acknowledged: list[tuple[float, str]] = field(default_factory=list)
    error: str = ""
    crashed: bool = False
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def node_id(self) -> str:
        return self.node.node_id

    @property
    def home(self) -> str:
        """The registry at which it is registered; empty between two."""
        return self.node.registry_id or ""

    @property
    def label(self) -> str:
        """Its name in the log."""
        return f"{self.node_id[:8]} {site_of(self.number).city}"


class Fleet:
    """All Media Nodes, in the order of their numbers."""

    def __init__(self, rng: Random, pulse: Pulse, clock: Callable[[], float]) -> None:
        self.guests: list[Guest] = []
        self.steady = False  # while it is set no load changes
        self._rng = rng
        self._pulse = pulse
        self._clock = clock

    def add(self, urls: Sequence[str]) -> Guest:
        """One more Media Node, not running yet, which tries the registries in this order."""
        number = len(self.guests)
        attributes = attributes_of(number, self._rng)
        node = MediaNode(
            IdentityKey(self._rng.randbytes(SEED_BYTES)),
            attributes,
            registries=urls,
            signed=number % 2 == 0,
            on_event=lambda event: self._on_event(guest, event),
            config=ABRUPT,
            rng=Random(self._rng.random()),
        )
        guest = Guest(number, attributes, node, load=0.3 if number == 0 else self._rng.uniform(0.1, 0.9))
        self.guests.append(guest)
        return guest

    def _on_event(self, guest: Guest, event: NodeEvent) -> None:
        if event.kind in _ACKNOWLEDGED and event.registry_id is not None:
            guest.acknowledged.append((self._clock(), event.registry_id))
        self._pulse.beat()

    async def run_guest(self, guest: Guest) -> None:
        """Until it leaves or crashes."""
        with guest.scope:
            try:
                await guest.node.run()
            except ClientError as error:
                guest.error = str(error)
        self._pulse.beat()

    async def arrive(self, nursery: trio.Nursery, guests: Sequence[Guest]) -> None:
        """Let them run, one shortly after the other, as machines come up."""
        for guest in guests:
            nursery.start_soon(self.run_guest, guest)
            await trio.sleep(min(ARRIVAL_GAP_SECONDS_MAX, ARRIVAL_SECONDS / len(guests)))

    async def vary_loads(self) -> None:
        """Change a load now and then, until cancelled."""
        while True:
            await trio.sleep(1 / LOAD_CHANGES_PER_SECOND)
            if self.steady or not self.running:
                continue
            guest = self._rng.choice(self.running)
            guest.load = min(max(guest.load + self._rng.uniform(-LOAD_STEP, LOAD_STEP), 0.0), LOAD_MAX)
            await self.tell_load(guest)

    async def tell_load(self, guest: Guest) -> None:
        """Report its load to its home."""
        try:
            await guest.node.set_load(load_of(guest.attributes, guest.load))
        except ClientError as error:
            guest.error = str(error)

    @property
    def running(self) -> list[Guest]:
        """Those that are registered somewhere right now."""
        return [guest for guest in self.guests if guest.node.attached]

    def crash(self, guest: Guest) -> None:
        """Its process dies: the socket closes and nobody says goodbye."""
        guest.crashed = True
        guest.scope.cancel()
