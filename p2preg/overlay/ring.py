"""The ring: members in the order of their ids, where each keeps its two sides. A random graph is connected almost
surely, a ring surely; Corrosion pins two ring neighbours for the same reason."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from p2preg.base.limits import RING_MAX

RING_GUESTS_MAX = RING_MAX - 2  # so that our own two always find a place


class Ring:
    """All known members and ourselves, sorted."""

    def __init__(self, own_id: bytes) -> None:
        self._own_id = own_id
        self._ids = [own_id]

    def add(self, peer: bytes) -> None:
        at = bisect_left(self._ids, peer)
        if at == len(self._ids) or self._ids[at] != peer:
            self._ids.insert(at, peer)

    def remove(self, peer: bytes) -> None:
        at = bisect_left(self._ids, peer)
        if at < len(self._ids) and self._ids[at] == peer != self._own_id:
            del self._ids[at]

    def sides(self, usable: Callable[[bytes], bool]) -> tuple[bytes, ...]:
        """The nearest usable predecessor and successor; one when they are the same, none when there is none."""
        own_at, count = bisect_left(self._ids, self._own_id), len(self._ids)
        after = (self._ids[(own_at + step) % count] for step in range(1, count))
        before = (self._ids[(own_at - step) % count] for step in range(1, count))
        predecessor, successor = next(filter(usable, before), None), next(filter(usable, after), None)
        return tuple(dict.fromkeys(peer for peer in (predecessor, successor) if peer is not None))


class RingView:
    """The neighbours that the ring gave us, beside the active view; for each, whether we asked for it."""

    def __init__(self) -> None:
        self._asked: dict[bytes, bool] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._asked

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._asked)

    def add(self, peer: bytes, asked: bool) -> None:
        self._asked[peer] = asked

    def remove(self, peer: bytes) -> None:
        self._asked.pop(peer, None)

    def has_room(self, peer: bytes, sides: tuple[bytes, ...]) -> bool:
        """Whether `peer`, who asks, may have a place: always when it is one of our own sides."""
        return peer in sides or len(self.guests(sides)) < RING_GUESTS_MAX

    def surplus(self, sides: tuple[bytes, ...]) -> bytes | None:
        """Who must go before one of our own sides can come."""
        return self.guests(sides)[0] if len(self._asked) >= RING_MAX else None

    def guests(self, sides: tuple[bytes, ...]) -> list[bytes]:
        """Those that are none of our sides, longest here first."""
        return [peer for peer in self._asked if peer not in sides]

    def outlived(self, sides: tuple[bytes, ...]) -> list[bytes]:
        """Those that we asked for when they were our sides. The others leave when they find better ones themselves:
        if both waited for the other to leave, neither ever would."""
        return [peer for peer in self.guests(sides) if self._asked[peer]]
