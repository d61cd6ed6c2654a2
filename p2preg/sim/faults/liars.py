"""Hostile registries as a fault: some join, stay, and lie to the end if the others can be equal all the same."""

from __future__ import annotations

from random import Random

from p2preg.sim.faults.fault import RECONCILED_SECONDS, Fault, Scene
from p2preg.sim.faults.hostile import Twist
from p2preg.sim.faults.twists import TWISTS

SHARE_MAX = 0.05


class Liars(Fault):
    """A few registries with the same lie."""

    twist: type[Twist]

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.share = rng.uniform(0.0, SHARE_MAX)
        self._twists: list[Twist] = []

    @property
    def acts(self) -> int:
        return sum(lies.acts for lies in self._twists)

    def text(self) -> str:
        return f"one, or {self.share:.3f} of the registries"

    def begin(self, scene: Scene) -> None:
        for _ in range(max(1, round(self.share * len(scene.hosts)))):
            _, lies = scene.world.add_hostile(self.twist, scene.rng.choice(scene.up))
            self._twists.append(lies)
        scene.has_invented_batches |= self.twist.invents_batches
        if self.twist.keeps_apart:
            scene.repair_seconds = RECONCILED_SECONDS

    def end(self, scene: Scene) -> None:
        for lies in self._twists:
            lies.is_over = lies.keeps_apart


LIARS: tuple[type[Liars], ...] = tuple(
    type(f"Liars{twist.__name__}", (Liars,), {"twist": twist, "name": f"liars: {name}"})
    for name, twist in TWISTS.items()
)
