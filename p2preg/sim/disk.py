"""A disk that may be slow, and that keeps what it was given only once it says so: a crash loses the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from p2preg.cells.cell import Cell
from p2preg.sim.clock import Agenda

WRITE_SECONDS = 0.001  # of a disk with nothing else to do

Snapshot = tuple[dict[bytes, Cell], dict[str, bytes]]  # cells and values


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    write: Callable[[], object]
    on_durable: Callable[[], None] | None


class Disk:
    """Writes become durable in their order, `delay` seconds after they came. `on_failure`: called when it is full and
    something is to be written. `lost`: how many writes crashes took."""

    def __init__(self, agenda: Agenda, delay: float, on_failure: Callable[[], None] = lambda: None) -> None:
        self.delay = delay
        self.is_full = False
        self.lost = 0
        self.cells: dict[bytes, Cell] = {}  # durable
        self.values: dict[str, bytes] = {}  # durable
        self._agenda = agenda
        self._on_failure = on_failure
        self._queue: deque[_Write] = deque()
        self._free_at = 0.0

    def put(self, cells: tuple[Cell, ...], on_durable: Callable[[], None] | None) -> None:
        self._enqueue(lambda: self.cells.update((cell.key, cell) for cell in cells), on_durable)

    def delete(self, cells: tuple[Cell, ...]) -> None:
        def write() -> None:
            for cell in cells:
                self.cells.pop(cell.key, None)

        self._enqueue(write)

    def put_value(self, name: str, value: bytes) -> None:
        self._enqueue(lambda: self.values.update({name: value}))

    def flush(self) -> None:
        """Make everything durable now, without telling anybody: the process is ending."""
        while self._queue:
            self._queue.popleft().write()

    def crash(self) -> int:
        """Lose what is not durable yet; how many writes that were."""
        lost = len(self._queue)
        self.lost += lost
        self._queue.clear()
        return lost

    def snapshot(self) -> Snapshot:
        """A backup."""
        return dict(self.cells), dict(self.values)

    def restore(self, snapshot: Snapshot) -> None:
        """Put a backup in the place of what is there, while no process runs."""
        self.wipe()
        self.cells.update(snapshot[0])
        self.values.update(snapshot[1])

    def wipe(self) -> None:
        """Lose everything."""
        self.crash()
        self.cells.clear()
        self.values.clear()

    def size_bytes(self) -> int:
        return sum(len(cell.raw) for cell in self.cells.values())

    def _enqueue(self, write: Callable[[], object], on_durable: Callable[[], None] | None = None) -> None:
        pending = _Write(write, on_durable)
        self._queue.append(pending)
        self._free_at = max(self._free_at, self._agenda.now + self.delay)
        self._agenda.at(self._free_at, self._finish, pending)

    def _finish(self, pending: _Write) -> None:
        if not self._queue or self._queue[0] is not pending:
            return  # a crash has taken it
        if self.is_full:
            self._on_failure()
        else:
            self._queue.popleft()
            pending.write()
            if pending.on_durable is not None:
                pending.on_durable()
