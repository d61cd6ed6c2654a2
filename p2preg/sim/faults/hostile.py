"""A registry with a twisted mouth: a real node, so that it is let in everywhere, but what it says is changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from random import Random

from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.sim.clock import WallClock
from p2preg.sim.links import Access, Port
from p2preg.wire.messages import Message


class Twist(ABC):
    """What becomes of the messages of one hostile registry. `acts`: how often it did what it is there for. `key` is
    the registry's own, so that what it makes up is signed."""

    promise = ""  # what the honest registries must still keep
    keeps_apart = False  # whether while it goes on some registry may always hold what others do not hold yet
    invents_batches = False  # whether registries report as missed what never was

    def __init__(self, key: IdentityKey, network_file: NetworkFile, clock: WallClock, rng: Random) -> None:
        self.acts = 0
        self.is_over = False  # from now on it says what it should
        self.key = key
        self.network_file = network_file
        self.clock = clock
        self.rng = rng

    @abstractmethod
    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        """What is said to `peer` instead of `message`."""


class Mouth:
    """The network, as a hostile registry has it."""

    def __init__(self, network: Access, twist: Twist) -> None:
        self.twist = twist
        self._network = network

    def send(self, sender: Port, receiver: bytes, message: Message) -> None:
        for said in (message,) if self.twist.is_over else self.twist.twist(receiver, message):
            self._network.send(sender, receiver, said)

    def attach(self, port: Port) -> None:
        self._network.attach(port)

    def detach(self, port: Port, *, silent: bool) -> None:
        self._network.detach(port, silent=silent)

    def dial(self, dialler: Port, endpoint: str, expected: bytes | None) -> None:
        self._network.dial(dialler, endpoint, expected)

    def close(self, port: Port, peer: bytes) -> None:
        self._network.close(port, peer)

    def round_trip_time(self, port: Port, peer: bytes) -> float | None:
        return self._network.round_trip_time(port, peer)
