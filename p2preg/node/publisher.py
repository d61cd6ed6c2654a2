"""Our own batches: what we have to say, signed and numbered, with the registry cell in the first and once a minute."""

from __future__ import annotations

from p2preg.broadcast.batch import Batch, Page, sign_batch
from p2preg.broadcast.outgoing import Outgoing, heartbeat_interval
from p2preg.crypto.keys import IdentityKey

GREETING_SECONDS = 1.0  # between two batches that say nothing but that we are here


class Publisher:
    """Counts the batches of one epoch. `now` is monotonic seconds, `now_ms` Unix ms."""

    def __init__(self, key: IdentityKey, network: str, epoch: int, own_cell_spread: float, now: float) -> None:
        self._key = key
        self._network = network
        self._epoch = epoch
        self._own_cell_spread = own_cell_spread
        self._own_cell_at = now
        self._started = now
        self._outgoing = Outgoing(now)
        self._counter = 0
        self._hurry_at: float | None = None
        self._last_at = now - GREETING_SECONDS
        self.next_at = now  # when there will be something to publish

    @property
    def counter(self) -> int:
        """The counter of the newest batch; 0 before the first."""
        return self._counter

    @property
    def waiting_bytes(self) -> int:
        return self._outgoing.waiting_bytes

    def add_cells(self, cells: tuple[bytes, ...]) -> bool:
        """For the next batch; False when too much is waiting, and reconciliation has to spread them."""
        taken = self._outgoing.offer_cells(cells)
        self._plan()
        return taken

    def add_page(self, page: Page) -> None:
        self._outgoing.add_page(page)
        self._plan()

    def hurry(self, now: float) -> None:
        """There is a new neighbour: let it hear from us without waiting for the next heartbeat."""
        self._hurry_at = max(now, self._last_at + GREETING_SECONDS)
        self._plan()

    def _plan(self) -> None:
        if self._counter == 0:
            return  # the first batch is due at once, whatever is in it
        due = self._outgoing.next_flush(self._last_at)
        self.next_at = due if self._hurry_at is None else min(due, self._hurry_at)

    def take(self, own_cell: bytes, registries: int, now: float, now_ms: int) -> list[Batch]:
        """The batches that are due, signed."""
        self._outgoing.interval = heartbeat_interval(registries)
        if self._counter == 0 or now >= self._own_cell_at:
            self._own_cell_at = now + self._own_cell_spread
            self._outgoing.offer_cells((own_cell,))
        contents = self._outgoing.take(now)
        if not contents and self._hurry_at is not None and now >= self._hurry_at:
            contents = [((), ())]
        if contents:
            self._last_at, self._hurry_at = now, None
        batches = [self._sign(cells, pages, self._outgoing.interval, now, now_ms) for cells, pages in contents]
        self._plan()
        return batches

    def farewell(self, now: float, now_ms: int) -> list[Batch]:
        """What is left to say, and the last batch, which announces no next one."""
        return [
            *(self._sign(cells, pages, self._outgoing.interval, now, now_ms) for cells, pages in self._last(now)),
            self._sign((), (), 0.0, now, now_ms),
        ]

    def _last(self, now: float) -> list[tuple[tuple[bytes, ...], tuple[Page, ...]]]:
        if self._outgoing.waiting_bytes == 0:
            return []
        return self._outgoing.take(max(now, self._outgoing.next_flush(now)))

    def _sign(
        self, cells: tuple[bytes, ...], pages: tuple[Page, ...], interval: float, now: float, now_ms: int
    ) -> Batch:
        self._counter += 1
        return sign_batch(
            self._key,
            network=self._network,
            epoch=self._epoch,
            counter=self._counter,
            issued_ms=now_ms,
            uptime_ms=int((now - self._started) * 1000),
            interval_ms=int(interval * 1000),
            cells=cells,
            pages=pages,
        )
