"""How much a run does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """`nodes`: Media Nodes held while reads are timed. `calls`: of each kind in one repeat."""

    nodes: int = 10_000
    calls: int = 4_000
    lock_step: int = 1_000
    repeats: int = 3
    samples: int = 300
    idle_clients: int = 1_000
    subscribers: int = 500
    idle_seconds: float = 20.0


QUICK = Scale(
    nodes=1_000, calls=500, lock_step=200, repeats=1, samples=50, idle_clients=100, subscribers=50, idle_seconds=5.0
)
