"""One registry of a mesh, and the links between two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from p2preg.base.timers import TimerQueue
from p2preg.broadcast.core import BroadcastCore
from p2preg.crypto.keys import IdentityKey
from p2preg.overlay.core import OverlayCore


@dataclass(slots=True, eq=False)
class MeshLink:
    """Ordered and reliable, like TCP. `latency`: seconds one way. `wanted_by`: the ends that asked for
    it and did not let go."""

    dialler: MeshPeer
    answerer: MeshPeer
    latency: float
    wanted_by: dict[int, None] = field(default_factory=dict)
    free_at: dict[int, float] = field(default_factory=dict)  # receiver → when it has all that was sent so far

    def other(self, peer: MeshPeer) -> MeshPeer:
        return self.answerer if peer is self.dialler else self.dialler


@dataclass(slots=True, eq=False)
class MeshPeer:
    """`number` is for people, `id` for the cores. `links`: by the other end's id."""

    number: int
    key: IdentityKey
    id: bytes
    cell: bytes
    broadcast: BroadcastCore
    overlay: OverlayCore
    is_alive: bool = True
    is_silent: bool = False  # it is gone with its machine: no kernel refuses a dial
    counter: int = 0
    wakes_at: float = math.inf
    timers: TimerQueue = field(default_factory=TimerQueue)
    links: dict[bytes, MeshLink] = field(default_factory=dict)
    dialling: dict[bytes, None] = field(default_factory=dict)
