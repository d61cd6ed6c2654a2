"""One link between two machines: ordered and reliable like TCP, for as long as both ends count it as up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from p2preg.wire.messages import Hello


class Port(Protocol):
    """A machine, as the network sees it. `incarnation` grows when its process ends."""

    id: bytes
    endpoint: str
    incarnation: int

    def post(self, event: object) -> None: ...
    def hello(self) -> Hello: ...
    def check_hello(self, peer: bytes, hello: Hello) -> None: ...


class End(Enum):
    """What one end makes of a link."""

    COMING = auto()  # the other end has it, and this one will in a moment
    UP = auto()
    DOWN = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A dial of one process."""

    dialler: Port
    incarnation: int
    endpoint: str
    expected: bytes | None

    @property
    def is_alive(self) -> bool:
        """Whether the process that dialled still runs."""
        return self.dialler.incarnation == self.incarnation


@dataclass(slots=True)
class Link:
    """`epoch`: the dialler's. `free_at`: per receiver, when what was sent last arrives. `stuck`: what waits for a cut
    path, in order. `cut_at`: since when a path is cut."""

    attempt: Attempt
    answerer: Port
    epoch: int
    ends: dict[bytes, End]
    free_at: dict[bytes, float]
    stuck: list[tuple[Port, Callable[[], None]]] = field(default_factory=list)
    cut_at: float | None = None

    @classmethod
    def between(cls, attempt: Attempt, answerer: Port, epoch: int) -> Link:
        ends = {attempt.dialler.id: End.COMING, answerer.id: End.COMING}
        return cls(attempt, answerer, epoch, ends, dict.fromkeys(ends, 0.0))

    @property
    def dialler(self) -> Port:
        return self.attempt.dialler

    def has(self, port: Port) -> bool:
        """Whether it is this machine's: another one may have the same id."""
        return port is self.dialler or port is self.answerer

    def other(self, port: Port) -> Port:
        return self.answerer if port is self.dialler else self.dialler

    @property
    def is_whole(self) -> bool:
        """Whether no end has parted from it."""
        return End.DOWN not in self.ends.values()

    @property
    def is_gone(self) -> bool:
        return all(end is End.DOWN for end in self.ends.values())
