"""Which registries have a place in a network that anybody may join: those that rank first, in an order that is fixed by
their keys, so that every registry that knows the same cells picks the same (docs/architecture.md, Cells)."""

from __future__ import annotations

from bisect import bisect_left, insort

from p2preg.crypto.keys import work_bits

Rank = tuple[int, bytes]


class Places:
    """At most `limit` registries. Those whose cell has ended keep a place only while nobody else needs it, and so
    never decide who is seen."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._visible: list[Rank] = []  # sorted, the first to hold its place first
        self._ended: dict[bytes, None] = {}  # longest ended first

    def __len__(self) -> int:
        return len(self._visible) + len(self._ended)

    @property
    def free(self) -> int:
        """How many more could be seen."""
        return self.limit - len(self._visible)

    def visible(self) -> list[bytes]:
        """Those that are seen, first rank first."""
        return [registry for _, registry in self._visible]

    def fits(self, registry: bytes) -> bool:
        """Whether a newcomer would be among the first."""
        return self.free > 0 or rank(registry) < self._visible[-1]

    def yielding(self) -> bytes | None:
        """Who must go before a newcomer that fits can have a place; None while there is room."""
        if len(self) < self.limit:
            return None
        return next(iter(self._ended)) if self._ended else self._visible[-1][1]

    def enter(self, registry: bytes) -> None:
        """Give `registry` a place that is seen; the caller has made room."""
        self._ended.pop(registry, None)
        position = rank(registry)
        at = bisect_left(self._visible, position)
        if at == len(self._visible) or self._visible[at] != position:
            insort(self._visible, position)

    def end(self, registry: bytes) -> None:
        """The cell of `registry` has ended."""
        self._leave_visible(registry)
        self._ended[registry] = None

    def leave(self, registry: bytes) -> None:
        """`registry` is held no longer."""
        if registry in self._ended:
            del self._ended[registry]
        else:
            self._leave_visible(registry)

    def _leave_visible(self, registry: bytes) -> None:
        del self._visible[bisect_left(self._visible, rank(registry))]

    def check_invariants(self) -> None:
        assert len(self) <= self.limit
        assert self._visible == sorted(set(self._visible))
        assert not any(registry in self._ended for registry in self.visible())


def rank(registry: bytes) -> Rank:
    """Most work first, then the smaller key."""
    return -work_bits(registry), registry
