"""HyParView's two views as plain data, and the rule by which prefix diversity decides who gives way. The rule only
chooses among those who are there: it never refuses the last candidate, so it never leaves a place empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

PrefixOf = Callable[[bytes], str]


def count_prefixes(peers: Iterable[bytes], prefix_of: PrefixOf) -> dict[str, int]:
    """How many of `peers` share each prefix. The empty prefix is exempt and not counted."""
    counts: dict[str, int] = {}
    for peer in peers:
        if prefix := prefix_of(peer):
            counts[prefix] = counts.get(prefix, 0) + 1
    return counts


def most_crowded(candidates: Iterable[bytes], counts: dict[str, int], prefix_of: PrefixOf) -> list[bytes]:
    """Those of `candidates` whose prefix has most peers; one that shares its prefix with nobody counts one."""
    crowds = [(counts.get(prefix_of(peer), 1), peer) for peer in candidates]
    greatest = max((crowd for crowd, _ in crowds), default=0)
    return [peer for crowd, peer in crowds if crowd == greatest]


class ActiveView:
    """At most `cap` neighbours. `chosen` ones we picked and dialled; the others, who dialled us or were recommended
    to us, are counted as inbound, and at most `inbound_max` of them stay while chosen ones could take their places.
    Near ones have places of their own, up to `near_max`; they are neither, and never displaced but by a nearer one."""

    def __init__(self, cap: int, inbound_max: int, near_max: int, prefix_of: PrefixOf) -> None:
        self.cap = cap
        self._inbound_max = inbound_max
        self._near_max = near_max
        self._prefix_of = prefix_of
        self._chosen: dict[bytes, bool] = {}
        self._near: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._chosen)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._chosen

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chosen)

    @property
    def free(self) -> int:
        return self.cap - len(self._chosen)

    @property
    def inbound(self) -> int:
        return sum(not chosen for peer, chosen in self._chosen.items() if peer not in self._near)

    @property
    def inbound_max(self) -> int:
        """Of the places that near ones do not have, as large a share as of all, rounded up."""
        return -(-self._inbound_max * (self.cap - len(self._near)) // self.cap)

    @property
    def near(self) -> tuple[bytes, ...]:
        return tuple(self._near)

    @property
    def others(self) -> list[bytes]:
        """Those that are not near ones: chosen by chance, by us or by themselves."""
        return [peer for peer in self._chosen if peer not in self._near]

    @property
    def near_free(self) -> int:
        return self._near_max - len(self._near)

    def add(self, peer: bytes, chosen: bool, near: bool = False) -> None:
        self._chosen[peer] = chosen
        if near:
            self._near[peer] = None

    def remove(self, peer: bytes) -> None:
        self._chosen.pop(peer, None)
        self._near.pop(peer, None)

    def victim(self, newcomer: bytes, chosen: bool, spared: tuple[bytes, ...], rng: Random) -> bytes:
        """Who gives way to `newcomer`: an inbound one if the newcomer is inbound and their share is full, or if they
        have more than it; then one of the most crowded prefix, the newcomer counted in; `spared` ones only when
        nobody else is left. Chance decides the rest, as in the paper."""
        share_full = self.inbound + (not chosen) > self.inbound_max
        eligible = [peer for peer in self.others if not (share_full and self._chosen[peer])]
        return self._least_diverse(newcomer, eligible, spared, rng)

    def victim_for_near(self, newcomer: bytes, spared: tuple[bytes, ...], rng: Random) -> bytes:
        """Who gives way to a near `newcomer` while near places are free: an inbound one as long as there is one, for
        those that we chose are not a stranger's to take."""
        inbound = [peer for peer in self.others if not self._chosen[peer]]
        return self._least_diverse(newcomer, inbound or self.others, spared, rng)

    def _least_diverse(self, newcomer: bytes, eligible: list[bytes], spared: tuple[bytes, ...], rng: Random) -> bytes:
        unspared = [peer for peer in eligible if peer not in spared]
        counts = count_prefixes([*self._chosen, newcomer], self._prefix_of)
        return rng.choice(most_crowded(unspared or eligible, counts, self._prefix_of))


class PassiveView:
    """At most `cap` members that are no neighbours: who is asked first when a place is free."""

    def __init__(self, cap: int, prefix_of: PrefixOf) -> None:
        self.cap = cap
        self._prefix_of = prefix_of
        self._peers: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._peers

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._peers)

    def add(self, peer: bytes, rng: Random) -> None:
        """Take `peer` in; when full, one of the most crowded prefix gives way, the newcomer's own counted in."""
        if peer in self._peers:
            return
        if len(self._peers) >= self.cap:
            counts = count_prefixes([*self._peers, peer], self._prefix_of)
            del self._peers[rng.choice(most_crowded(self._peers, counts, self._prefix_of))]
        self._peers[peer] = None

    def remove(self, peer: bytes) -> None:
        self._peers.pop(peer, None)
