"""What became of one batch: whom it reached, when, over how many hops, and how many copies of it arrived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Spread:
    """`reached`: seconds from the publication, by the number of the registry, the origin among them with 0."""

    origin: int
    sent_at: float
    reached: dict[int, float] = field(default_factory=dict)
    hops: dict[int, int] = field(default_factory=dict)
    copies: int = 0

    @property
    def last_hop(self) -> int:
        """Hops of the farthest delivery: the papers' last delivery hop."""
        return max(self.hops.values(), default=0)

    @property
    def seconds(self) -> float:
        """Until the last one that it reached had it."""
        return max(self.reached.values())

    @property
    def redundancy(self) -> float:
        """Relative message redundancy (Plumtree, section 4.1): copies received over those needed, less one."""
        needed = len(self.reached) - 1
        return self.copies / needed - 1 if needed else 0.0

    def reliability(self, alive: Iterable[int]) -> float:
        """Which share of these registries has it."""
        numbers = list(alive)
        return sum(number in self.reached for number in numbers) / len(numbers)


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of them lie: the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
