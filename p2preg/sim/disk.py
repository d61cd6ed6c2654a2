"""A disk that may be slow, and that keeps what it was given only once it says so: a crash loses the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from p2preg.cells.cell import Cell
from p2preg.sim.clock import Agenda


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    write: Callable[[], object]
    on_durable: Callable[[], None] | None


class Disk:
    """Writes become durable in their order, `delay` seconds after they came."""

    def __init__(self, agenda: Agenda, delay: float) -> None:
        self.delay = delay
        self.cells: dict[bytes, Cell] = {}  # durable
        self.values: dict[str, bytes] = {}  # durable
        self._agenda = agenda
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
        self._queue.clear()
        return lost

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
        if self._queue and self._queue[0] is pending:  # a crash may have taken it
            self._queue.popleft()
            pending.write()
            if pending.on_durable is not None:
                pending.on_durable()
