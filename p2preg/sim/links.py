"""One link between two machines: ordered and reliable like TCP, for as long as both ends count it as up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from p2preg.sim.bottleneck import Bottleneck
from p2preg.sim.paths import Path
from p2preg.wire.messages import Hello, Message


class Port(Protocol):
    """A machine, as the network sees it. `incarnation` grows when its process ends."""

    id: bytes
    endpoint: str
    incarnation: int

    def post(self, event: object) -> None: ...
    def hello(self) -> Hello: ...
    def check_hello(self, peer: bytes, hello: Hello) -> None: ...


class Access(Protocol):
    """The network, as a machine has it."""

    def attach(self, port: Port) -> None: ...
    def detach(self, port: Port, *, silent: bool) -> None: ...
    def dial(self, dialler: Port, endpoint: str, expected: bytes | None) -> None: ...
    def send(self, sender: Port, receiver: bytes, message: Message) -> None: ...
    def close(self, port: Port, peer: bytes) -> None: ...
    def round_trip_time(self, port: Port, peer: bytes) -> float | None: ...


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


@dataclass(slots=True, eq=False)
class Side:
    """One end of a link and the direction away from it. `free_at`: when what was sent last arrives at the other end.
    `stuck`: what waits while the path is cut, in order."""

    port: Port
    path: Path
    state: End = End.COMING
    free_at: float = 0.0
    stuck: list[Callable[[], None]] = field(default_factory=list)
    bottleneck: Bottleneck | None = None
    other: Side = field(init=False)

    def receive(self, event: object) -> None:
        """Something arrives here; lost unless this end counts the link as up."""
        if self.state is End.UP:
            self.port.post(event)


@dataclass(slots=True, eq=False)
class Link:
    """`epoch`: the dialler's. `cut_at`: since when a path is cut."""

    attempt: Attempt
    epoch: int
    dialler: Side
    answerer: Side
    cut_at: float | None = None

    @classmethod
    def between(cls, attempt: Attempt, answerer: Port, epoch: int, there: Path, back: Path) -> Link:
        """`there`: the dialler's path to the answerer."""
        link = cls(attempt, epoch, Side(attempt.dialler, there), Side(answerer, back))
        link.dialler.other, link.answerer.other = link.answerer, link.dialler
        return link

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.dialler, self.answerer

    def has(self, port: Port) -> bool:
        """Whether it is this machine's: another one may have the same id."""
        return port is self.dialler.port or port is self.answerer.port

    def side_of(self, port: Port) -> Side:
        return self.dialler if port is self.dialler.port else self.answerer

    @property
    def is_up(self) -> bool:
        """Whether both ends count it as up."""
        return self.dialler.state is End.UP and self.answerer.state is End.UP

    @property
    def is_whole(self) -> bool:
        """Whether no end has parted from it."""
        return self.dialler.state is not End.DOWN and self.answerer.state is not End.DOWN

    @property
    def is_gone(self) -> bool:
        return self.dialler.state is End.DOWN and self.answerer.state is End.DOWN

    @property
    def is_cut(self) -> bool:
        """Whether a path is. TCP needs both."""
        return self.dialler.path.cuts > 0 or self.answerer.path.cuts > 0
