"""One LMDB environment: cells and named values, each commit durable before it returns.

Every method may block. Growing the map is allowed only while no transaction of this process is open, hence the lock,
and reading in pages: no reader stays inside while its caller thinks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import lmdb

from p2preg.base.errors import StorageError
from p2preg.base.limits import STORE_MAP_BYTES_MAX
from p2preg.storage import records

PAGE_RECORDS = 1_024


class Table(IntEnum):
    """What a key is looked up in."""

    CELLS = 0
    NAMED = 1


class Change(NamedTuple):
    """`value` None deletes the key."""

    table: Table
    key: bytes
    value: bytes | None


class Environment:
    """The files in `path`, made when they are not there. `StorageError` for whatever the disk refuses."""

    def __init__(self, path: Path, map_bytes: int) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._env = lmdb.open(str(path), map_size=map_bytes, max_dbs=len(Table), mode=0o600)
            self._tables = [self._env.open_db(table.name.lower().encode()) for table in Table]
        except (lmdb.Error, OSError) as error:
            raise StorageError(f"the store in {path} cannot be opened: {error}") from error

    def write(self, changes: Sequence[Change]) -> None:
        """All of `changes` in order, in one transaction: after it returns they survive a loss of power."""
        while True:
            try:
                self._write_once(changes)
            except lmdb.MapFullError:
                self._grow()
            except (lmdb.Error, OSError) as error:
                raise StorageError(f"the store in {self._path} cannot be written: {error}") from error
            else:
                return

    def cells(self) -> Iterator[tuple[bytes, bytes, bool]]:
        """Every cell, in the order of keys: (key, value, whether its checksum is right)."""
        after = b""
        while page := self._page_after(after):
            for key, record in page:
                yield key, *records.unpack(key, record)
            after = page[-1][0]

    def named(self, name: bytes) -> bytes | None:
        """The value last written under `name`; `StorageError` when it is damaged."""
        with self._lock, self._env.begin(db=self._tables[Table.NAMED]) as transaction:
            record = transaction.get(name)
        if record is None:
            return None
        value, ok = records.unpack(name, record)
        if not ok:
            raise StorageError(f"the value {name.decode('ascii', 'replace')} in {self._path} is damaged")
        return value

    def size_bytes(self) -> int:
        """What the data takes on disk."""
        return (self._path / "data.mdb").stat().st_size

    def close(self) -> None:
        self._env.close()

    def _write_once(self, changes: Sequence[Change]) -> None:
        with self._env.begin(write=True) as transaction:
            for table, key, value in changes:
                if value is None:
                    transaction.delete(key, db=self._tables[table])
                else:
                    transaction.put(key, records.pack(key, value), db=self._tables[table])

    def _grow(self) -> None:
        with self._lock:
            size = 2 * self._env.info()["map_size"]
            if size > STORE_MAP_BYTES_MAX:
                raise StorageError(f"the store in {self._path} is full: {STORE_MAP_BYTES_MAX} bytes are its limit")
            self._env.set_mapsize(size)

    def _page_after(self, key: bytes) -> list[tuple[bytes, bytes]]:
        try:
            with self._lock, self._env.begin(db=self._tables[Table.CELLS]) as transaction:
                cursor = transaction.cursor()
                if not cursor.set_range(key + b"\0"):  # the least key greater than `key`
                    return []
                return list(islice(cursor.iternext(), PAGE_RECORDS))
        except lmdb.Error as error:
            raise StorageError(f"the store in {self._path} cannot be read: {error}") from error
