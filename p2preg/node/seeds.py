"""The operator's seeds: dialled until each has answered once, with back-off, and again when nobody else is left."""

from __future__ import annotations

from dataclasses import dataclass

DUE_NEVER = float("inf")


@dataclass(slots=True)
class Seed:
    """One endpoint. `due`: when to dial it; `peer`: who answered there."""

    endpoint: str
    due: float
    failures: int = 0
    peer: bytes | None = None
    ourselves: bool = False


class Seeds:
    """Which seeds to dial when. Bounded by what the operator gave."""

    def __init__(self, endpoints: tuple[str, ...], backoff_min: float, backoff_max: float, now: float) -> None:
        self._backoff_min = backoff_min
        self._backoff_max = backoff_max
        self._seeds = {endpoint: Seed(endpoint, now) for endpoint in endpoints}

    def __len__(self) -> int:
        """How many seeds are, or may be, others than ourselves."""
        return sum(not seed.ourselves for seed in self._seeds.values())

    def due(self, now: float, lonely: bool) -> list[str]:
        """The endpoints to dial now; those that answered before only when we are `lonely`: without any link."""
        due = [
            seed
            for seed in self._seeds.values()
            if not seed.ourselves and seed.due <= now and (seed.peer is None or lonely)
        ]
        for seed in due:
            seed.due = DUE_NEVER  # until the outcome is known
        return [seed.endpoint for seed in due]

    def answered(self, endpoint: str, peer: bytes, now: float) -> None:
        seed = self._seeds.get(endpoint)
        if seed is not None:
            seed.peer = peer
            seed.failures = 0
            seed.due = now + self._backoff_max

    def failed(self, endpoint: str, now: float) -> float | None:
        """It did not answer; when it is tried again. None when it is no seed."""
        seed = self._seeds.get(endpoint)
        if seed is None:
            return None
        seed.failures += 1
        seed.due = now + min(self._backoff_max, self._backoff_min * 2 ** min(seed.failures - 1, 10))
        return seed.due

    def is_ourselves(self, endpoint: str) -> None:
        """That seed is this very node, by whatever name: never dial it again, nor count it as somebody to hear of."""
        if endpoint in self._seeds:
            self._seeds[endpoint].ourselves = True
