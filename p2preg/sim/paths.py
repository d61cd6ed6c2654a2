"""The way from one machine to another, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Protocol

Pair = tuple[bytes, bytes]  # from, to


class Named(Protocol):
    """Whoever has an id."""

    id: bytes


class Path:
    """`seconds`: one way, of which `base` are no fault. `cuts`: how many faults cut it just now. `loss`, `duplication`,
    `reordering`: the shares of messages to which it happens. `rate`: bytes a second that the receiver takes, None for
    as many as come."""

    __slots__ = ("base", "cuts", "duplication", "is_plain", "loss", "rate", "reordering", "seconds")

    def __init__(self, seconds: float) -> None:
        self.base = self.seconds = seconds
        self.cuts = 0
        self.loss = self.duplication = self.reordering = 0.0
        self.rate: float | None = None
        self.is_plain = True  # nothing is wrong with it, so that a message need not ask for each fault

    def judge(self) -> None:
        """To be called after a change."""
        wrong = self.cuts or self.loss or self.duplication or self.reordering or self.rate is not None
        self.is_plain = not wrong


class Paths:
    """All paths, made when first asked for. `latency`: seconds one way, least and greatest, drawn once per pair."""

    def __init__(self, rng: Random, latency: tuple[float, float]) -> None:
        self._rng = rng
        self._latency = latency
        self._paths: dict[Pair, Path] = {}

    def __iter__(self) -> Iterator[Path]:
        return iter(self._paths.values())

    def between(self, sender: Named, receiver: Named) -> Path:
        path = self._paths.get((sender.id, receiver.id))
        if path is None:
            seconds = self._rng.uniform(*self._latency)
            path = self._paths[sender.id, receiver.id] = Path(seconds)
            if sender.id != receiver.id:
                self._paths[receiver.id, sender.id] = Path(seconds)
        return path

    def across(self, senders: Iterable[Named], receivers: Iterable[Named]) -> list[Path]:
        """From each of the senders to each of the receivers."""
        receivers = list(receivers)
        return [self.between(a, b) for a in senders for b in receivers if a is not b]
