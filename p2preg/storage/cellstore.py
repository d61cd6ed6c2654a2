"""The cells on disk: a key-value store split over several LMDB environments, each with its own writer thread.

A cell's shard decides its environment. A home's slot can pass to a subject of another shard, so an older version of a
key may linger in another environment: loading shows both, merging takes the newer, and deleting a key deletes it
everywhere. Nothing here knows what a cell is.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import trio

from p2preg.base.errors import ConfigError, LocalProtocolError, StorageError
from p2preg.base.limits import STORE_ENVIRONMENTS_MAX, STORE_QUEUE_BYTES_MAX
from p2preg.storage.datadir import sync_directory
from p2preg.storage.environment import Change, Environment, Table
from p2preg.storage.writer import Job, Writer

ENVIRONMENTS_NAME = "environments"  # the file that records how many there are
KEY_BYTES_MAX = 511  # LMDB's limit
MAP_BYTES = 64 * 1_048_576  # to begin with; it doubles when it is full
CLOSE_TIMEOUT = 30.0  # seconds for what is queued to reach the disk at shutdown

Write: TypeAlias = tuple[int, bytes, bytes]  # shard, key, the cell as it was signed


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """`queued_bytes` wait to be written; `commits` since the store was opened; `size_bytes` on disk."""

    environments: int
    queued_bytes: int
    commits: int
    size_bytes: int


class CellStore:
    """Made by `open_store`. Only `load_all` and `meta_get` wait for the disk in the calling thread."""

    def __init__(self, environments: Sequence[Environment], on_failure: Callable[[StorageError], None]) -> None:
        self._environments = environments
        self._trio = trio.lowlevel.current_trio_token()
        self._writers = [
            Writer(environment, f"store-{number}", on_failure) for number, environment in enumerate(environments)
        ]

    async def put(self, writes: Sequence[Write]) -> None:
        """Return when all of `writes` are durable. When cancelled, they may still be written."""
        durable = trio.Event()
        self.put_nowait(writes, durable.set)
        await durable.wait()

    def put_nowait(self, writes: Sequence[Write], on_durable: Callable[[], None]) -> None:
        """Write in the background; `on_durable` is called, later, in the Trio thread. What is asked for one key
        happens in the order asked. `StorageError` when the queue is full: ask `pressure()` before."""
        changes: dict[int, list[Change]] = {}
        for shard, key, raw in writes:
            if not 0 < len(key) <= KEY_BYTES_MAX:
                raise LocalProtocolError(f"a key has 1 to {KEY_BYTES_MAX} bytes, got {len(key)}")
            changes.setdefault(shard % len(self._writers), []).append(Change(Table.CELLS, key, raw))
        if not changes:
            self._trio.run_sync_soon(on_durable)
            return
        arrived = _call_at_last(len(changes), on_durable)
        for number, part in changes.items():
            self._writers[number].offer(Job(part, arrived))

    def delete_nowait(self, keys: Sequence[bytes]) -> None:
        """Forget `keys` in the background."""
        for writer in self._writers if keys else ():
            writer.offer(Job([Change(Table.CELLS, key, None) for key in keys], _nobody_waits))

    def meta_put_nowait(self, name: str, value: bytes) -> None:
        """Keep a small value under `name`, in the background."""
        self._writers[0].offer(Job([Change(Table.NAMED, name.encode(), value)], _nobody_waits))

    async def meta_put(self, name: str, value: bytes) -> None:
        """Keep a small value under `name`; return when it is durable."""
        durable = trio.Event()
        self._writers[0].offer(Job([Change(Table.NAMED, name.encode(), value)], durable.set))
        await durable.wait()

    def meta_get(self, name: str) -> bytes | None:
        """The value last committed under `name`. Blocks for a read; `StorageError` when it is damaged."""
        return self._environments[0].named(name.encode())

    def load_all(self) -> Iterator[tuple[bytes, bytes, bool]]:
        """Every cell for a cold start: (key, raw, ok); `ok` false asks for the signature to be verified again.
        Blocks as it goes."""
        for environment in self._environments:
            yield from environment.cells()

    def pressure(self) -> bool:
        """Whether the disk has fallen so far behind that new work should be refused."""
        return any(2 * writer.queued_bytes > STORE_QUEUE_BYTES_MAX for writer in self._writers)

    def size_bytes(self) -> int:
        """What the cells take on disk."""
        return sum(environment.size_bytes() for environment in self._environments)

    def statistics(self) -> StoreStatistics:
        return StoreStatistics(
            environments=len(self._environments),
            queued_bytes=sum(writer.queued_bytes for writer in self._writers),
            commits=sum(writer.commits for writer in self._writers),
            size_bytes=self.size_bytes(),
        )

    async def _close(self) -> None:
        """Write what is queued and close the files, even when cancelled, but not for ever."""
        with trio.fail_after(CLOSE_TIMEOUT) as scope:
            scope.shield = True
            for writer in self._writers:
                await trio.to_thread.run_sync(writer.close, abandon_on_cancel=True)
        for environment in self._environments:
            environment.close()


@asynccontextmanager
async def open_store(path: Path, environments: int = 4, map_bytes: int = MAP_BYTES) -> AsyncIterator[CellStore]:
    """The store in `path`, made with so many environments when there is none; one that exists keeps its number, and
    `ConfigError` for a number that cannot be. When the disk fails, the block is cancelled and `StorageError` comes out
    of it. At its end what is queued is written before the files are closed."""
    count = _recorded_count(path, environments)
    opened = [Environment(path / f"cells-{number}", map_bytes) for number in range(count)]
    failures: list[StorageError] = []

    def fail(error: StorageError) -> None:
        failures.append(error)
        scope.cancel()

    with trio.CancelScope() as scope:
        store = CellStore(opened, fail)
        try:
            yield store
        finally:
            try:
                await store._close()
            except trio.TooSlowError:
                fail(StorageError(f"the disk did not take what was queued within {CLOSE_TIMEOUT:.0f} s"))
    if failures:
        raise failures[0]


def _recorded_count(path: Path, wanted: int) -> int:
    """How many environments the store has; for a new one `wanted`, which is recorded before anything else."""
    if not 1 <= wanted <= STORE_ENVIRONMENTS_MAX:
        raise ConfigError(f"a store has 1 to {STORE_ENVIRONMENTS_MAX} environments, {wanted} were asked for")
    record = path / ENVIRONMENTS_NAME
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not record.exists():
            _write_durably(record, b"%d\n" % wanted)
        count = int(record.read_text())
    except (OSError, ValueError) as error:
        raise StorageError(f"the store in {path} cannot be opened: {error}") from error
    if not 1 <= count <= STORE_ENVIRONMENTS_MAX:
        raise StorageError(f"{record} says {count} environments, 1 to {STORE_ENVIRONMENTS_MAX} are possible")
    return count


def _write_durably(path: Path, content: bytes) -> None:
    """Put a file at `path`, whole or not at all."""
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_directory(path.parent)


def _call_at_last(times: int, callback: Callable[[], None]) -> Callable[[], None]:
    """A function whose last of `times` calls, all in the Trio thread, calls `callback`."""
    left = times

    def arrived() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            callback()

    return arrived


def _nobody_waits() -> None:
    pass
