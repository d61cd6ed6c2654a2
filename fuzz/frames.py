"""Target: the framing of a link's byte stream."""

from __future__ import annotations

from collections.abc import Iterable

from p2preg.wire.framing import FrameReader, FrameTooLarge


def one_input(data: bytes) -> None:
    """Any split of any bytes gives the same frames as one chunk, or the same refusal."""
    whole, refused = read([data])
    step = 2 + len(data) % 7
    for size in (1, step):
        bodies, refused_too = read(data[at : at + size] for at in range(0, len(data), size))
        assert refused_too == refused, f"in chunks of {size}: {refused_too}, as one: {refused}"
        assert refused or bodies == whole, f"in chunks of {size} other frames came out"


def read(chunks: Iterable[bytes]) -> tuple[list[bytes], bool]:
    """The frames of the chunks, and whether the stream was refused."""
    reader, bodies = FrameReader(), []
    try:
        for chunk in chunks:
            bodies += reader.feed(chunk)
    except FrameTooLarge:
        return bodies, True
    return bodies, False
