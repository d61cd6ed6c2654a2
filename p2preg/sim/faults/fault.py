"""What a fault is, and the scene on which it acts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from p2preg.sim.faults.hostile import Twist
from p2preg.sim.host import Host
from p2preg.sim.world import World

REPAIR_SECONDS = 15.0  # at most, from a batch that did not come until what was in it has
RECONCILED_SECONDS = 90.0  # at most, until what gossip does not repair is the same everywhere: two reconciliations
AGAIN_SECONDS = 2.0  # after an act that found nobody to act on


@dataclass(slots=True)
class Scene:
    """`ends_at`: when everything is to be as it was. `disturbed`: until when each
    registry had an excuse to miss something, by id; `shaken`: until when all of them had."""

    world: World
    rng: Random
    ends_at: float = 0.0
    disturbed: dict[bytes, float] = field(default_factory=dict)
    shaken: float = -math.inf
    has_invented_batches: bool = False
    repair_seconds: float = REPAIR_SECONDS
    disk_lost: dict[bytes, float] = field(default_factory=dict)  # when last, by registry
    liars: list[Twist] = field(default_factory=list)

    @property
    def hosts(self) -> list[Host]:
        """The honest registries."""
        return self.world.hosts

    @property
    def now(self) -> float:
        return self.world.now

    @property
    def up(self) -> list[Host]:
        return [host for host in self.hosts if host.is_up]

    def after(self, seconds: float, action: Callable[..., None], *args: object) -> None:
        """Do it then, but no later than the end."""
        self.world.agenda.at(min(self.now + seconds, self.ends_at), action, *args)

    def some_up(self, share: float, least: int = 1) -> list[Host]:
        """A random share of those that run; none when fewer than `least` and one more do."""
        up = self.up
        if len(up) <= least:
            return []
        return self.rng.sample(up, min(len(up) - 1, max(least, round(share * len(up)))))

    def disturb(self, hosts: Iterable[Host], seconds: float) -> None:
        """They have an excuse from now on, and for so long."""
        until = min(self.now + seconds, self.ends_at)
        for host in hosts:
            self.disturbed[host.id] = max(self.disturbed.get(host.id, 0.0), until)

    def shake(self, seconds: float) -> None:
        """The same for all of them."""
        self.shaken = max(self.shaken, min(self.now + seconds, self.ends_at))


class Fault(ABC):
    """One kind of trouble; its parameters are drawn when it is made. `acts`: how often it took place so far."""

    name: ClassVar[str]

    def __init__(self, rng: Random) -> None:
        self._acts = 0

    @property
    def acts(self) -> int:
        return self._acts

    @abstractmethod
    def text(self) -> str:
        """Its parameters, for the plan."""

    @abstractmethod
    def begin(self, scene: Scene) -> None:
        """Called once, when the trouble starts."""

    def end(self, scene: Scene) -> None:  # noqa: B027 (most have undone what they did)
        """Called once, when everything is to be as it was."""


class Recurring(Fault):
    """Acts now and then, for a while each time."""

    times_max = 4
    seconds_max = 30.0

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.times = rng.randint(1, self.times_max)
        self.seconds = rng.uniform(1.0, self.seconds_max)

    def text(self) -> str:
        return f"{self.times} times, for {self.seconds:.1f} s"

    def begin(self, scene: Scene) -> None:
        left = scene.ends_at - scene.now
        for _ in range(self.times):
            scene.after(scene.rng.uniform(0.0, 0.7) * left, self._act, scene)

    def _act(self, scene: Scene) -> None:
        if scene.now >= scene.ends_at:
            return
        if self.act(scene):
            self._acts += 1
        else:
            scene.after(AGAIN_SECONDS, self._act, scene)

    @abstractmethod
    def act(self, scene: Scene) -> bool:
        """Once; False when there is nobody to act on."""
