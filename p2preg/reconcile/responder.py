"""The answering side. It keeps no state: each request says all that its answer depends on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from p2preg.base.errors import RemoteProtocolError
from p2preg.reconcile.config import ReconcileConfig
from p2preg.reconcile.digests import SHARDS, Digests
from p2preg.reconcile.packing import CELLS_MAX, ELEMENTS_MAX, frames
from p2preg.wire.messages import (
    AskCells,
    AskElements,
    AskFingerprints,
    AskStream,
    Cells,
    Elements,
    Fingerprints,
    Range,
    StreamCells,
    SyncRefused,
)

Request: TypeAlias = AskFingerprints | AskElements | AskCells | AskStream
Reply: TypeAlias = Fingerprints | Elements | Cells | StreamCells | SyncRefused
Fetch: TypeAlias = Callable[[bytes], bytes | None]

CLOCK, KIND, BUSY = "clock", "kind", "busy"  # the reasons of SyncRefused; only the last is worth another try
START = bytes(32)  # the `after` that no element precedes


class Responder:
    """Answers requests from what the digests list and `fetch` finds."""

    def __init__(self, digests: Digests, fetch: Fetch, config: ReconcileConfig) -> None:
        self._digests = digests
        self._fetch = fetch
        self._config = config

    def answer(self, request: Request, now_ms: int) -> Reply:
        """The reply to a request; `RemoteProtocolError` when its ranges overlap or are out of order."""
        if request.kind not in self._config.kinds:
            return SyncRefused(request.request, KIND)
        if not isinstance(request, AskCells) and abs(request.as_of_ms - now_ms) > self._config.skew_ms:
            return SyncRefused(request.request, CLOCK)
        match request:
            case AskFingerprints():
                _check_ranges(request.ranges)
                found = self._digests.fingerprints(request.kind, request.ranges, request.as_of_ms)
                return Fingerprints(request.request, found)
            case AskElements():
                _check_ranges(request.ranges)
                return self._elements(request)
            case AskCells():
                return self._cells(request)
            case AskStream():
                return self._stream(request)

    def work(self, request: Request, reply: Reply) -> int:
        """How many cells and shards were looked at for `reply`, roughly."""
        match request, reply:
            case AskFingerprints(), _:
                return self._digests.ended_max(request.kind, request.as_of_ms)
            case AskElements(), _:
                return self._digests.held(request.kind, request.ranges)
            case AskStream(), StreamCells():
                walked = Range(request.shard, reply.shard + 1)
                return walked.high - walked.low + self._digests.held(request.kind, [walked])
            case _:
                return CELLS_MAX

    def _elements(self, request: AskElements) -> Elements:
        held = elements_of(self._digests, request.kind, request.ranges, request.as_of_ms)
        start = bisect_right(held, request.after)
        page = held[start : start + ELEMENTS_MAX]
        return Elements(request.request, page, int(start + ELEMENTS_MAX < len(held)))

    def _cells(self, request: AskCells) -> Cells:
        found = self._found((0, element) for element in request.elements)
        page, more = self._first_frame(cell for _, cell in found)
        return Cells(request.request, page, int(more))

    def _stream(self, request: AskStream) -> StreamCells:
        """Cells in order of (shard, element), from just after (`shard`, `after`) on."""
        seen: list[tuple[int, bytes]] = []

        def cells() -> Iterator[bytes]:
            for position, cell in self._found(self._positions(request)):
                seen.append(position)
                yield cell

        page, more = self._first_frame(cells())
        shard, after = seen[len(page) - 1] if more else (SHARDS, START)
        return StreamCells(request.request, page, shard, after, int(more))

    def _positions(self, request: AskStream) -> Iterator[tuple[int, bytes]]:
        for shard in range(request.shard, SHARDS):
            for element in self._digests.elements(request.kind, shard, shard + 1, request.as_of_ms):
                if shard > request.shard or element > request.after:
                    yield shard, element

    def _found(self, positions: Iterable[tuple[int, bytes]]) -> Iterator[tuple[tuple[int, bytes], bytes]]:
        for position in positions:
            key = self._digests.key_of(position[1])
            cell = self._fetch(key) if key is not None else None
            if cell is not None:
                yield position, cell

    def _first_frame(self, cells: Iterable[bytes]) -> tuple[list[bytes], bool]:
        """As many cells as fit one message, and whether there are more."""
        return next(frames(cells, self._config.frame_bytes), ([], False))


def elements_of(digests: Digests, kind: int, ranges: Sequence[Range], as_of_ms: int) -> list[bytes]:
    """The elements in all of `ranges`, ascending."""
    return sorted(e for part in ranges for e in digests.elements(kind, part.low, part.high, as_of_ms))


def _check_ranges(ranges: Sequence[Range]) -> None:
    """Ranges that ascend and do not overlap cost at most one pass over the shards, however many there are."""
    at = 0
    for part in ranges:
        if not at <= part.low < part.high:
            raise RemoteProtocolError(
                f"ranges must ascend without overlap: {part.low} to {part.high} came after one that ended at {at}"
            )
        at = part.high
