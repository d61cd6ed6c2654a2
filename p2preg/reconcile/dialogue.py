"""What the starting side asks, in which order: range-based set reconciliation (Meyer, arXiv 2212.13567) over shards.

Roots of all kinds first. Where they differ, ranges are split 16-way until one side holds few cells in them, the
elements of those ranges are listed and compared, and what is missing is fetched and pushed. One that holds less than
half takes whole shards as a stream before it compares. Kind by kind, since a lease needs its registry.

A dialogue is a generator: it yields steps and is sent their answers, so it reads as one conversation and holds no
clock, request number or deadline. Nothing of what a peer claims is believed: cells are verified by whoever takes them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias, cast

from p2preg.base.errors import P2pregError, RemoteProtocolError
from p2preg.reconcile.config import ReconcileConfig
from p2preg.reconcile.digests import SHARDS, Digests
from p2preg.reconcile.packing import ELEMENTS_ASKED_MAX, ELEMENTS_MAX, RANGES_MAX, chunks, frames, split
from p2preg.reconcile.responder import KIND, START, Fetch, Reply, Request, elements_of
from p2preg.wire.messages import (
    AskCells,
    AskElements,
    AskFingerprints,
    AskStream,
    Cells,
    Elements,
    Fingerprint,
    Fingerprints,
    Range,
    StreamCells,
    SyncRefused,
)

ROOT = Range(0, SHARDS)
PUSHES_MAX = 4  # frames of cells sent without an answer to something after them, so that they fit any outbox


@dataclass(frozen=True, slots=True)
class Ask:
    """Requests to send together; answered by the list of their replies, in order."""

    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Take:
    """Cells to verify and merge; answered when that is done."""

    cells: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Push:
    """Cells to send; answered at once."""

    cells: tuple[bytes, ...]


Step: TypeAlias = Ask | Take | Push
Steps: TypeAlias = Generator[Step, Any, Any]  # what is sent back depends on the step
Position: TypeAlias = tuple[int, bytes]  # of a stream: the shard, and the last element had of it


class GaveUp(P2pregError):
    """The peer broke no rule, but the session leads nowhere."""


class Dialogue:
    """One conversation as of `as_of_ms`. `positions` holds, per kind, where a stream that was cut short goes on; it
    outlives the dialogue."""

    def __init__(
        self,
        digests: Digests,
        fetch: Fetch,
        config: ReconcileConfig,
        as_of_ms: int,
        positions: dict[int, Position],
    ) -> None:
        self._digests = digests
        self._fetch = fetch
        self._config = config
        self._as_of_ms = as_of_ms
        self._positions = positions
        self._barren = 0
        self._pushes = 0
        self._push_bytes = 0

    def run(self) -> Generator[Step, Any, bool]:
        """The whole conversation. Returns whether both sides were equal from the start."""
        differing = yield from self._compare_roots()
        for kind, theirs in differing.items():
            yield from self._reconcile(kind, theirs)
        return not differing

    def _compare_roots(self) -> Generator[Step, Any, dict[int, Fingerprint]]:
        """The kinds that differ, with the peer's root. A kind that the peer does not store is none of them."""
        kinds = self._config.kinds
        replies = yield Ask(tuple(AskFingerprints(0, self._as_of_ms, kind, [ROOT]) for kind in kinds))
        differing = {}
        for kind, reply in zip(kinds, replies, strict=True):
            if isinstance(reply, SyncRefused) and reply.reason == KIND:
                continue
            (theirs,) = _fingerprints(_granted(reply), 1)
            if theirs != self._fingerprint(kind):
                differing[kind] = theirs
        return differing

    def _reconcile(self, kind: int, theirs: Fingerprint) -> Steps:
        if theirs.count > self._config.stream_min and 2 * self._fingerprint(kind).count < theirs.count:
            yield from self._stream(kind)
            (theirs,) = yield from self._ask_fingerprints(kind, [ROOT])
        leaves = yield from self._descend(kind, theirs)
        for ranges in _groups(leaves):
            yield from self._compare_elements(kind, ranges)

    # --- streaming -------------------------------------------------------------------------------------------

    def _stream(self, kind: int) -> Steps:
        """Take the peer's cells shard by shard, from where an earlier stream, from whomever, was cut short."""
        at = self._positions.get(kind, (0, START))
        while True:
            reply = cast(StreamCells, (yield from self._ask(AskStream(0, self._as_of_ms, kind, *at))))
            onward = (reply.shard, reply.after)
            if reply.more and (not reply.cells or onward <= at):
                raise RemoteProtocolError("a stream with more to come must bring cells and move on")
            if reply.cells:
                yield Take(tuple(reply.cells))
            if not reply.more:
                self._positions.pop(kind, None)
                return
            at = self._positions[kind] = onward

    # --- finding the difference ------------------------------------------------------------------------------

    def _descend(self, kind: int, root: Fingerprint) -> Generator[Step, Any, list[tuple[Range, int]]]:
        """The ranges that differ, small enough to list, ascending, each with the count that the peer claims for it."""
        leaves: list[tuple[Range, int]] = []
        ranges, fingerprints = [ROOT], [root]
        while True:
            wider: list[Range] = []
            ours = self._digests.fingerprints(kind, ranges, self._as_of_ms)
            for part, mine, theirs in zip(ranges, ours, fingerprints, strict=True):
                if mine == theirs:
                    continue
                if min(mine.count, theirs.count) <= self._config.leaf or part.high - part.low == 1:
                    leaves.append((part, theirs.count))
                else:
                    wider.append(part)
            if not wider:
                return sorted(leaves, key=lambda leaf: leaf[0].low)
            ranges = [child for part in wider for child in split(part)]
            fingerprints = yield from self._ask_fingerprints(kind, ranges)

    def _ask_fingerprints(self, kind: int, ranges: Sequence[Range]) -> Generator[Step, Any, list[Fingerprint]]:
        found: list[Fingerprint] = []
        for part in chunks(ranges, RANGES_MAX):
            reply = yield from self._ask(AskFingerprints(0, self._as_of_ms, kind, list(part)))
            found += _fingerprints(reply, len(part))
        return found

    def _compare_elements(self, kind: int, ranges: list[Range]) -> Steps:
        """List what the peer has in `ranges`, page by page; each page is settled before the next is asked for, so
        that a peer without end costs no memory."""
        ours = elements_of(self._digests, kind, ranges, self._as_of_ms)
        after = START
        while True:
            reply = yield from self._ask(AskElements(0, self._as_of_ms, kind, ranges, after))
            page, more = _page(cast(Elements, reply), after)
            end = bisect_right(ours, page[-1]) if more else len(ours)
            ours_here = ours[bisect_right(ours, after) : end]
            theirs = dict.fromkeys(page)
            yield from self._take(kind, [element for element in page if self._digests.key_of(element) is None])
            yield from self._push(kind, [element for element in ours_here if element not in theirs])
            if not more:
                return
            after = page[-1]

    # --- exchanging it ---------------------------------------------------------------------------------------

    def _take(self, kind: int, wanted: list[bytes]) -> Steps:
        """Fetch and merge the cells with these elements. What the peer does not bring is left to the next session."""
        for chunk in chunks(wanted, ELEMENTS_ASKED_MAX):
            rest = list(chunk)
            while rest:
                reply = cast(Cells, (yield from self._ask(AskCells(0, kind, rest))))
                if len(reply.cells) > len(rest) or (reply.more and not reply.cells):
                    raise RemoteProtocolError(f"{len(rest)} cells were asked for, {len(reply.cells)} came")
                self._count_barren(bool(reply.cells))
                if reply.cells:
                    yield Take(tuple(reply.cells))
                rest = self._still_wanted(rest[len(reply.cells) :]) if reply.more else []

    def _still_wanted(self, elements: list[bytes]) -> list[bytes]:
        """Cells come in the order asked for, so each reply shortens the list whether or not its cells were held."""
        return [element for element in elements if self._digests.key_of(element) is None]

    def _count_barren(self, fruitful: bool) -> None:
        self._barren = 0 if fruitful else self._barren + 1
        if self._barren > self._config.barren_max:
            raise GaveUp(f"{self._barren} requests in a row brought no cell for the elements listed")

    def _push(self, kind: int, elements: list[bytes]) -> Steps:
        """Send the cells with these elements, but for those that the peer's own have just replaced."""
        for frame, _ in frames(self._cells(elements), self._config.frame_bytes):
            self._push_bytes += sum(map(len, frame))
            if self._push_bytes > self._config.push_bytes_max:
                return
            if self._pushes == PUSHES_MAX:
                yield from self._ask_fingerprints(kind, [Range(0, 1)])
            self._pushes += 1
            yield Push(tuple(frame))

    def _cells(self, elements: list[bytes]) -> Iterator[bytes]:
        for element in elements:
            key = self._digests.key_of(element)
            cell = self._fetch(key) if key is not None else None
            if cell is not None:
                yield cell

    def _ask(self, request: Request) -> Generator[Step, Any, Reply]:
        """One request and its reply."""
        (reply,) = yield Ask((request,))
        self._pushes = 0
        return _granted(reply)

    def _fingerprint(self, kind: int) -> Fingerprint:
        return self._digests.fingerprint(kind, 0, SHARDS, self._as_of_ms)


def _granted(reply: Reply) -> Reply:
    if isinstance(reply, SyncRefused):
        raise GaveUp(f"the peer refused: {reply.reason}")
    return reply


def _fingerprints(reply: Reply, count: int) -> list[Fingerprint]:
    found = cast(Fingerprints, reply).fingerprints
    if len(found) != count:
        raise RemoteProtocolError(f"{count} fingerprints were asked for, {len(found)} came")
    return found


def _page(reply: Elements, after: bytes) -> tuple[list[bytes], bool]:
    """The elements of one page, and whether more follow."""
    ascending = all(a < b for a, b in pairwise([after, *reply.elements]))
    if not ascending or (reply.more and not reply.elements):
        raise RemoteProtocolError("elements must ascend from the one asked for, and a page with more to come has some")
    return reply.elements, bool(reply.more)


def _groups(leaves: list[tuple[Range, int]]) -> Iterator[list[Range]]:
    """Ranges to list together: by the peer's counts, one page of elements unless a single range has more."""
    group: list[Range] = []
    total = 0
    for part, count in leaves:
        if group and (total + count > ELEMENTS_MAX or len(group) == RANGES_MAX):
            yield group
            group, total = [], 0
        group.append(part)
        total += count
    if group:
        yield group
