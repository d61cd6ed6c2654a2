"""A store without threads: what `storage.cellstore` is to a node, in memory, and as slow as the test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import trio


@dataclass(slots=True)
class Shelf:
    """What is durable. It outlives the node."""

    cells: dict[bytes, bytes] = field(default_factory=dict)
    values: dict[str, bytes] = field(default_factory=dict)


class MemoryStore:
    """Writes to `shelf` in the order asked. A write is on it only when the one who asked is told so: what ends in
    between has lost it."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._trio = trio.lowlevel.current_trio_token()

    def put_nowait(self, writes: Sequence[tuple[int, bytes, bytes]], on_durable: Callable[[], None]) -> None:
        def write() -> None:
            self.shelf.cells.update((key, raw) for _, key, raw in writes)
            on_durable()

        self._trio.run_sync_soon(write)

    def delete_nowait(self, keys: Sequence[bytes]) -> None:
        def write() -> None:
            for key in keys:
                self.shelf.cells.pop(key, None)

        self._trio.run_sync_soon(write)

    def meta_put_nowait(self, name: str, value: bytes) -> None:
        self._trio.run_sync_soon(self.shelf.values.__setitem__, name, value)

    async def meta_put(self, name: str, value: bytes) -> None:
        durable = trio.Event()
        self.meta_put_nowait(name, value)
        self._trio.run_sync_soon(durable.set)
        await durable.wait()

    def meta_get(self, name: str) -> bytes | None:
        return self.shelf.values.get(name)

    def load_all(self) -> Iterator[tuple[bytes, bytes, bool]]:
        return ((key, raw, True) for key, raw in list(self.shelf.cells.items()))

    def pressure(self) -> bool:
        return False

    def size_bytes(self) -> int:
        return sum(map(len, self.shelf.cells.values()))
