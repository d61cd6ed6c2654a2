"""How cells and ranges are cut into messages of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from p2preg.wire.messages import Range

T = TypeVar("T")

# The bounds that `wire.messages` sets on the arrays of one message.
RANGES_MAX = 1024
ELEMENTS_MAX = 1500
ELEMENTS_ASKED_MAX = 256
CELLS_MAX = 512

HEAD_BYTES = 64  # whatever stands around the cells of a message, rounded up
CELL_HEAD_BYTES = 3  # the head of a byte string of up to 64 KiB


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in order, `size` at a time."""
    return (items[at : at + size] for at in range(0, len(items), size))


def frames(cells: Iterable[bytes], bytes_max: int) -> Iterator[tuple[list[bytes], bool]]:
    """`cells` in order, as many at a time as fit a message of `bytes_max`, each with whether more follow. Reads
    `cells` no further than one beyond what it yields."""
    frame: list[bytes] = []
    size = HEAD_BYTES
    for cell in cells:
        if len(frame) == CELLS_MAX or (frame and size + CELL_HEAD_BYTES + len(cell) > bytes_max):
            yield frame, True
            frame, size = [], HEAD_BYTES
        frame.append(cell)
        size += CELL_HEAD_BYTES + len(cell)
    if frame:
        yield frame, False


def split(part: Range, ways: int = 16) -> list[Range]:
    """`part` in equal parts; its width is a power of `ways`."""
    step = (part.high - part.low) // ways
    return [Range(low, low + step) for low in range(part.low, part.high, step)]
