"""A queue shared by many owners in which a flood drowns itself: what goes first is the oldest of whoever has most."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

O = TypeVar("O", bound=Hashable)  # noqa: E741
I = TypeVar("I", bound=Hashable)  # noqa: E741


class FairQueue(Generic[O, I]):
    """Every operation takes constant time, whatever the number of owners: owners are kept by how much they have."""

    def __init__(self) -> None:
        self._owners: dict[I, O] = {}
        self._items: dict[O, OrderedDict[I, None]] = {}
        self._by_size: dict[int, dict[O, None]] = {}
        self._largest = 0

    def __len__(self) -> int:
        return len(self._owners)

    def add(self, owner: O, item: I) -> None:
        """Put `item`, which must not be in the queue, last among those of `owner`."""
        assert item not in self._owners
        self._owners[item] = owner
        items = self._items.setdefault(owner, OrderedDict())
        items[item] = None
        self._resized(owner, len(items) - 1, len(items))
        self._largest = max(self._largest, len(items))

    def remove(self, item: I) -> None:
        """Take `item`, which must be in the queue, out."""
        owner = self._owners.pop(item)
        items = self._items[owner]
        del items[item]
        self._resized(owner, len(items) + 1, len(items))
        if not items:
            del self._items[owner]
        if self._largest not in self._by_size:
            self._largest -= 1  # its last owner is now there

    def oldest_of_largest(self) -> I:
        """The item that is to go when there is no more room."""
        owner = next(iter(self._by_size[self._largest]))
        return next(iter(self._items[owner]))

    def _resized(self, owner: O, before: int, after: int) -> None:
        if before:
            del self._by_size[before][owner]
            if not self._by_size[before]:
                del self._by_size[before]
        if after:
            self._by_size.setdefault(after, {})[owner] = None

    def check_invariants(self) -> None:
        assert sum(len(items) for items in self._items.values()) == len(self._owners)
        assert self._largest == max((len(items) for items in self._items.values()), default=0)
        sizes = {owner: size for size, owners in self._by_size.items() for owner in owners}
        assert sizes == {owner: len(items) for owner, items in self._items.items()}
