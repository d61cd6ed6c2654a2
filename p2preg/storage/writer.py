"""The one thread that writes to one environment. It commits at once when idle, and in groups when more has gathered
while it was busy, so latency is one commit and throughput is many changes to a commit."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from p2preg.base.errors import StorageError
from p2preg.base.limits import STORE_GROUP_BYTES_MAX, STORE_GROUP_MAX, STORE_QUEUE_BYTES_MAX
from p2preg.storage.environment import Change, Environment

CHANGE_BYTES = 64  # what a queued change takes besides key and value, roughly


@dataclass(frozen=True, slots=True)
class Job:
    """Changes that are written together; `on_durable` is called in the Trio thread once they are."""

    changes: Sequence[Change]
    on_durable: Callable[[], None]

    @property
    def size(self) -> int:
        return sum(CHANGE_BYTES + len(change.key) + len(change.value or b"") for change in self.changes)


class Writer:
    """Owns the write side of `environment`. `on_failure` is called once, in the Trio thread, when the disk refuses or
    the thread ends for any other reason; nothing is written after that."""

    def __init__(self, environment: Environment, name: str, on_failure: Callable[[StorageError], None]) -> None:
        self._environment = environment
        self._on_failure = on_failure
        self._trio = trio.lowlevel.current_trio_token()
        self._jobs: deque[tuple[Job, int]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.queued_bytes = 0
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)  # a hung disk can't keep the process
        self._thread.start()

    def offer(self, job: Job) -> None:
        """Queue `job`; `StorageError` when it would not fit the queue."""
        size = job.size
        with self._changed:
            if self.queued_bytes + size > STORE_QUEUE_BYTES_MAX:
                raise StorageError(f"the disk does not keep up: over {STORE_QUEUE_BYTES_MAX} bytes wait to be written")
            self._jobs.append((job, size))
            self.queued_bytes += size
            self._changed.notify()

    def close(self) -> None:
        """Write what is queued, then end the thread. Blocks until it has."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        failure: StorageError | None = StorageError("a writer thread of the store ended by a bug")
        try:
            self._write_until_closed()
            failure = None
        except StorageError as error:
            failure = error
        finally:
            if failure is not None:
                self._tell(self._on_failure, failure)

    def _write_until_closed(self) -> None:
        while group := self._next_group():
            self._environment.write([change for job in group for change in job.changes])
            self.commits += 1
            self._tell(_call_all, [job.on_durable for job in group])

    def _next_group(self) -> list[Job]:
        """What is queued, up to the limits of a group; waits for something. Empty once closed and drained."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            group: list[Job] = []
            count = total = 0
            while self._jobs and count < STORE_GROUP_MAX and total < STORE_GROUP_BYTES_MAX:
                job, size = self._jobs.popleft()
                group.append(job)
                count += len(job.changes)
                total += size
            self.queued_bytes -= total
            return group

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            self._trio.run_sync_soon(callback, *arguments)
        except trio.RunFinishedError:
            pass  # the process is ending, after a close that took too long: nobody is left to be told


def _call_all(callbacks: Sequence[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
