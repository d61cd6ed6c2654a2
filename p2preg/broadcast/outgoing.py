"""What this registry has to say and has not yet signed into a batch, and when it is time to.

At once when idle; under load at most each 100 ms, or whenever 32 KiB have gathered; and an empty batch, the
heartbeat, when nothing was sent for an interval. Signs nothing itself: the epoch, the counter and the key are the
node's.
"""

from __future__ import annotations

from collections.abc import Sequence

from p2preg.base.limits import (
    BATCH_BYTES_MAX,
    BATCH_CELLS_MAX,
    BATCH_FLUSH_BYTES,
    BATCH_PAGES_MAX,
    OUTGOING_BYTES_MAX,
    OUTGOING_PAGES_MAX,
)
from p2preg.broadcast.batch import Page

FLUSH_SECONDS = 0.1  # docs/architecture.md, Spreading and repair
HEARTBEAT_SECONDS_MIN = 5.0
HEARTBEAT_SECONDS_MAX = 20.0
HEARTBEAT_REGISTRIES = 200  # above, the interval grows so that the sum of all heartbeats does not
HEADROOM_BYTES = 512  # envelope, header, integers, network and array heads come to under 300
ITEM_HEAD_BYTES = 3  # the CBOR head of a cell

Content = tuple[tuple[bytes, ...], tuple[Page, ...]]  # the cells and pages of one batch


def heartbeat_interval(registries: int) -> float:
    """Seconds between heartbeats in a network of so many: 5 up to 200 registries, then in proportion, at most 20."""
    grown = HEARTBEAT_SECONDS_MIN * registries / HEARTBEAT_REGISTRIES
    return min(max(grown, HEARTBEAT_SECONDS_MIN), HEARTBEAT_SECONDS_MAX)


class Outgoing:
    """Own cells and pages in waiting. `interval`: seconds of silence after which a heartbeat is due; may be set."""

    def __init__(self, now: float) -> None:
        self.interval = HEARTBEAT_SECONDS_MIN
        self._flushed_at = now
        self._idle_from = now  # a change from here on need not wait
        self._groups: list[tuple[bytes, ...]] = []
        self._cell_bytes = 0
        self._pages: dict[tuple[int, bytes], tuple[Page, int]] = {}
        self._page_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        return self._cell_bytes + self._page_bytes

    def offer_cells(self, cells: Sequence[bytes]) -> bool:
        """Take cells that belong into one batch, if one can hold them. False: `OUTGOING_BYTES_MAX` is reached, none
        of them was taken, and the caller has to wait."""
        if not cells:
            return True
        size = _size_of(cells)
        if self._cell_bytes + size > OUTGOING_BYTES_MAX:
            return False
        fits = len(cells) <= BATCH_CELLS_MAX and size <= BATCH_BYTES_MAX - HEADROOM_BYTES
        self._groups += [tuple(cells)] if fits else [(cell,) for cell in cells]
        self._cell_bytes += size
        return True

    def add_page(self, page: Page) -> None:
        """Send `page` with the next batch, instead of an earlier one of its kind and subject still in waiting."""
        key, size = (page.kind, page.subject), len(page.encoded())
        if key in self._pages:
            self._drop_page(key)
        elif len(self._pages) == OUTGOING_PAGES_MAX:
            self._drop_page(next(iter(self._pages)))
        self._pages[key] = (page, size)
        self._page_bytes += size

    def _drop_page(self, key: tuple[int, bytes]) -> None:
        self._page_bytes -= self._pages.pop(key)[1]

    def next_flush(self, now: float) -> float:
        """When `take` has something to give: `now` or later."""
        if not self._groups and not self._pages:
            return max(now, self._flushed_at + self.interval)
        if self.waiting_bytes >= BATCH_FLUSH_BYTES:
            return now
        return max(now, self._idle_from)

    def take(self, now: float) -> list[Content]:
        """The contents of the batches to sign now, in order; one empty content is a heartbeat. Empty before
        `next_flush`."""
        if self.next_flush(now) > now:
            return []
        contents = self._pack() or [((), ())]
        self._groups.clear()
        self._pages.clear()
        self._cell_bytes = self._page_bytes = 0
        self._flushed_at = now
        self._idle_from = now + FLUSH_SECONDS
        return contents

    def _pack(self) -> list[Content]:
        parcel = _Parcel()
        for group in self._groups:
            parcel.put(group, (), _size_of(group))
        for page, size in self._pages.values():
            parcel.put((), (page,), size)
        return parcel.close()


class _Parcel:
    """Fills one batch after the other; what is put in together stays together."""

    def __init__(self) -> None:
        self._contents: list[Content] = []
        self._cells: list[bytes] = []
        self._pages: list[Page] = []
        self._bytes = HEADROOM_BYTES

    def put(self, cells: tuple[bytes, ...], pages: tuple[Page, ...], size: int) -> None:
        full = (
            self._bytes + size > BATCH_BYTES_MAX
            or len(self._cells) + len(cells) > BATCH_CELLS_MAX
            or len(self._pages) + len(pages) > BATCH_PAGES_MAX
        )
        if full:
            self.close()
        self._cells += cells
        self._pages += pages
        self._bytes += size

    def close(self) -> list[Content]:
        """All contents so far; the next `put` begins a new one."""
        if self._cells or self._pages:
            self._contents.append((tuple(self._cells), tuple(self._pages)))
        self._cells, self._pages, self._bytes = [], [], HEADROOM_BYTES
        return self._contents


def _size_of(cells: Sequence[bytes]) -> int:
    return sum(len(cell) + ITEM_HEAD_BYTES for cell in cells)
