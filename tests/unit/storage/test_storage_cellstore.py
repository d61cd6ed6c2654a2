"""The cell store: durable before it says so, in order, and loud when the disk fails."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import lmdb
import pytest
import trio

import p2preg
from p2preg.base.errors import ConfigError, LocalProtocolError, StorageError
from p2preg.base.limits import STORE_QUEUE_BYTES_MAX
from p2preg.storage.cellstore import CellStore, open_store
from p2preg.storage.environment import Environment

ROOT = Path(p2preg.__file__).parent.parent


def contents(store: CellStore) -> dict[bytes, bytes]:
    loaded = list(store.load_all())
    assert all(ok for _, _, ok in loaded)
    assert len({key for key, _, _ in loaded}) == len(loaded)
    return {key: raw for key, raw, _ in loaded}


def numbered(count: int) -> list[tuple[int, bytes, bytes]]:
    return [(number % 4096, b"key %06d" % number, b"raw %d" % number) for number in range(count)]


async def test_what_was_put_is_there_when_the_store_is_opened_again(tmp_path: Path) -> None:
    writes = numbered(3_000)
    async with open_store(tmp_path) as store:
        await store.put(writes)
        assert store.statistics().environments == 4
        assert store.size_bytes() > 0
    async with open_store(tmp_path) as store:
        assert contents(store) == {key: raw for _, key, raw in writes}


def test_commits_reach_the_disk_before_they_return(tmp_path: Path) -> None:
    """A killed process can't show it, only a loss of power could."""
    environment = Environment(tmp_path / "cells", 65_536)
    assert environment._env.flags()["sync"]
    assert environment._env.flags()["metasync"]
    environment.close()


async def test_a_later_value_replaces_an_earlier_and_a_delete_comes_after_the_put_before_it(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for round_ in range(50):
            store.put_nowait([(7, b"alice", b"%d" % round_), (8, b"bob", b"%d" % round_)], lambda: None)
        store.delete_nowait([b"bob", b"nobody"])
        store.put_nowait([(9, b"carol", b"first")], lambda: None)
        store.delete_nowait([b"carol"])
        store.delete_nowait([])
        await store.put([(9, b"carol", b"second")])
    async with open_store(tmp_path) as store:
        assert contents(store) == {b"alice": b"49", b"carol": b"second"}


async def test_a_key_that_moved_to_another_shard_is_deleted_everywhere(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.put([(0, b"slot", b"old")])
        await store.put([(1, b"slot", b"new")])
        assert sorted(store.load_all()) == [(b"slot", b"new", True), (b"slot", b"old", True)]
        store.delete_nowait([b"slot"])
    async with open_store(tmp_path) as store:
        assert contents(store) == {}


async def test_the_callback_comes_once_in_the_trio_thread_after_all_parts(tmp_path: Path) -> None:
    called: list[threading.Thread] = []
    async with open_store(tmp_path) as store:
        store.put_nowait(numbered(8), lambda: called.append(threading.current_thread()))
        store.put_nowait([], lambda: called.append(threading.current_thread()))
        assert called == []
    assert called == [threading.current_thread()] * 2


async def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    done: list[int] = []
    async with open_store(tmp_path) as store:
        for number in range(300):
            store.put_nowait([(number, b"key %d" % number, bytes(2_000))], lambda number=number: done.append(number))
    assert sorted(done) == list(range(300))
    async with open_store(tmp_path) as store:
        assert len(contents(store)) == 300


async def test_what_is_queued_is_written_even_when_the_owner_is_cancelled(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_store(tmp_path) as store:
            store.put_nowait(numbered(100), lambda: None)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    async with open_store(tmp_path) as store:
        assert len(contents(store)) == 100


async def test_a_cancelled_waiter_harms_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.put(numbered(5))
        await store.put([(0, b"after", b"wards")])
    async with open_store(tmp_path) as store:
        assert contents(store)[b"after"] == b"wards"


async def test_many_puts_at_once_share_commits(tmp_path: Path) -> None:
    async with open_store(tmp_path, environments=1) as store:
        async with trio.open_nursery() as nursery:
            for write in numbered(500):
                nursery.start_soon(store.put, [write])
        assert store.statistics().commits < 100
        assert len(contents(store)) == 500


async def test_the_map_grows_when_it_is_full(tmp_path: Path) -> None:
    async with open_store(tmp_path, environments=2, map_bytes=65_536) as store:
        await store.put([(number, b"key %d" % number, bytes(4_000)) for number in range(200)])
        await store.put([(number, b"more %d" % number, bytes(4_000)) for number in range(200)])
        assert store.size_bytes() > 400 * 4_000
        assert len(contents(store)) == 400
    async with open_store(tmp_path, map_bytes=65_536) as store:
        assert len(contents(store)) == 400


async def test_loading_may_go_on_while_the_map_grows(tmp_path: Path) -> None:
    async with open_store(tmp_path, environments=1, map_bytes=65_536) as store:
        await store.put([(0, b"a %04d" % number, b"raw") for number in range(1_100)])
        loading = store.load_all()
        first = next(loading)
        await store.put([(0, b"b %04d" % number, bytes(4_000)) for number in range(100)])
        assert len([first, *loading]) == 1_200


async def test_an_existing_store_keeps_its_number_of_environments(tmp_path: Path) -> None:
    async with open_store(tmp_path, environments=3) as store:
        await store.put(numbered(30))
    async with open_store(tmp_path, environments=8) as store:
        assert store.statistics().environments == 3
        assert len(contents(store)) == 30


async def test_named_values_are_kept_apart_from_cells(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        assert store.meta_get("epoch") is None
        store.meta_put_nowait("epoch", b"1")
        store.meta_put_nowait("epoch", b"2")
    async with open_store(tmp_path) as store:
        assert store.meta_get("epoch") == b"2"
        assert contents(store) == {}


async def test_damaged_records_are_told_apart(tmp_path: Path) -> None:
    async with open_store(tmp_path, environments=1) as store:
        await store.put([(0, b"bad", b"cell"), (0, b"good", b"cell"), (0, b"later", b"cell"), (0, b"short", b"cell")])
        store.meta_put_nowait("epoch", b"7")
    with lmdb.open(str(tmp_path / "cells-0"), max_dbs=2) as env, env.begin(write=True) as transaction:
        cells, named = env.open_db(b"cells", transaction), env.open_db(b"named", transaction)
        for database, key, value in ((cells, b"bad", b"cell"), (named, b"epoch", b"7")):
            record = bytearray(transaction.get(key, db=database))
            record[-1] ^= 1
            assert record[5:] != value
            transaction.put(key, bytes(record), db=database)
        newer = b"\2" + b"cell"
        transaction.put(b"later", zlib.crc32(newer, zlib.crc32(b"later")).to_bytes(4) + newer, db=cells)
        transaction.put(b"short", b"abc", db=cells)
        transaction.put(b"moved", transaction.get(b"good", db=cells), db=cells)
    async with open_store(tmp_path) as store:
        assert {key: (raw, ok) for key, raw, ok in store.load_all()} == {
            b"bad": (b"celm", False),
            b"good": (b"cell", True),
            b"later": (b"cell", False),
            b"moved": (b"cell", False),
            b"short": (b"", False),
        }
        with pytest.raises(StorageError, match="epoch"):
            store.meta_get("epoch")


@pytest.mark.parametrize("key", [b"", b"k" * 512])
async def test_a_key_that_lmdb_cannot_hold_is_our_own_mistake(tmp_path: Path, key: bytes) -> None:
    async with open_store(tmp_path) as store:
        with pytest.raises(LocalProtocolError):
            store.put_nowait([(0, key, b"raw")], lambda: None)
        await store.put([(0, b"k" * 511, b"raw")])


async def test_a_slow_disk_shows_as_pressure_and_then_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resume = threading.Event()
    monkeypatch.setattr(Environment, "write", lambda *_: resume.wait())
    async with open_store(tmp_path, environments=1) as store:
        chunk = [(0, b"key", bytes(STORE_QUEUE_BYTES_MAX // 8))]
        assert not store.pressure()
        with pytest.raises(StorageError, match="does not keep up"):
            for _ in range(20):
                store.put_nowait(chunk, lambda: None)
        assert store.pressure()
        resume.set()


async def test_a_failing_disk_ends_the_owner_with_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise lmdb.DiskError("no space left on device")

    with pytest.raises(StorageError, match="no space left on device"):
        async with open_store(tmp_path) as store:
            await store.put(numbered(5))
            monkeypatch.setattr(Environment, "_write_once", fail)
            await store.put(numbered(5))
            pytest.fail("a write that failed was acknowledged")


async def test_a_failure_while_closing_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(Environment, "_write_once", fail)
    with pytest.raises(StorageError, match="gone"):
        async with open_store(tmp_path) as store:
            store.put_nowait(numbered(1), lambda: None)


async def test_the_owners_own_error_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_store(tmp_path) as store:
            await store.put(numbered(1))
            raise ZeroDivisionError
    async with open_store(tmp_path) as store:
        assert len(contents(store)) == 1


@pytest.mark.parametrize("record", ["", "four", "0", "65"])
async def test_a_spoilt_record_of_the_number_is_refused(tmp_path: Path, record: str) -> None:
    (tmp_path / "environments").write_text(record)
    with pytest.raises(StorageError):
        async with open_store(tmp_path):
            pytest.fail("opened")


@pytest.mark.parametrize("count", [0, 65])
async def test_a_number_of_environments_that_cannot_be_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ConfigError):
        async with open_store(tmp_path, environments=count):
            pytest.fail("opened")


WRITE_UNTIL_KILLED = """
import itertools, sys, trio
from pathlib import Path
from p2preg.storage.cellstore import open_store

async def main():
    async with open_store(Path(sys.argv[1]), map_bytes=65_536) as store, trio.open_nursery() as nursery:
        async def write(worker):
            for number in itertools.count():
                key = f"{sys.argv[2]} {worker} {number}"
                await store.put([(number, key.encode(), key.encode() * 20)])
                print(key, flush=True)
        for worker in range(8):
            nursery.start_soon(write, worker)

trio.run(main)
"""


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for life in range(5):
        command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(tmp_path), str(life)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            acknowledged += [child.stdout.readline() for _ in range(100 + 37 * life)]
            child.send_signal(signal.SIGKILL)
            acknowledged += [line for line in child.stdout if line.endswith("\n")]

    async def check() -> None:
        async with open_store(tmp_path) as store:
            held = contents(store)
            assert len(held) >= len(acknowledged) >= 870
            for line in acknowledged:
                key = line.strip().encode()
                assert held[key] == key * 20

    trio.run(check)


FULL_DISK = """
import resource, sys, trio
from pathlib import Path
from p2preg.base.errors import StorageError
from p2preg.storage.cellstore import open_store

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        await store.put([(0, b"first", b"raw")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        for number in range(1_000):
            await store.put([(number, b"key %d" % number, bytes(4_000))])

try:
    trio.run(main)
except StorageError as error:
    print(error)
"""


def test_a_disk_without_room_ends_the_process_cleanly_and_keeps_what_was_written(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert "cannot be written" in ended.stdout
    assert ended.stderr == ""

    async def check() -> None:
        async with open_store(tmp_path) as store:
            assert contents(store)[b"first"] == b"raw"

    trio.run(check)
