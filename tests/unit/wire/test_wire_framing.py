"""Frames cut from a stream. That the cuts do not matter is tests/property/test_wire_properties.py's part."""

from __future__ import annotations

import pytest

from p2preg.base.errors import LocalProtocolError
from p2preg.base.limits import FRAME_BYTES_MAX
from p2preg.wire.framing import HEAD_BYTES, FrameReader, FrameTooLarge, frame


def test_a_frame_is_its_length_and_its_body() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


def test_bodies_come_out_in_order_and_an_unfinished_one_waits() -> None:
    reader = FrameReader()
    stream = frame(b"first") + frame(b"second") + frame(b"third")
    assert reader.feed(stream[:-1]) == [b"first", b"second"]
    assert reader.feed(b"") == []
    assert reader.feed(stream[-1:]) == [b"third"]


def test_the_longest_frame_passes_and_a_longer_one_is_refused_by_its_head_alone() -> None:
    body = bytes(FRAME_BYTES_MAX)
    assert FrameReader().feed(frame(body)) == [body]
    with pytest.raises(FrameTooLarge, match="65537 were announced"):
        FrameReader().feed((FRAME_BYTES_MAX + 1).to_bytes(HEAD_BYTES))
    with pytest.raises(FrameTooLarge):
        FrameReader().feed(b"\xff\xff\xff\xff")


def test_an_empty_frame_is_refused_so_that_no_stream_of_heads_keeps_us_busy() -> None:
    with pytest.raises(FrameTooLarge, match="0 were announced"):
        FrameReader().feed(bytes(HEAD_BYTES))


def test_text_sent_to_the_wrong_port_is_refused_at_once() -> None:
    with pytest.raises(FrameTooLarge):
        FrameReader().feed(b"GET / HTTP/1.1\r\n")


def test_what_no_reader_would_take_is_not_framed() -> None:
    for body in (b"", bytes(FRAME_BYTES_MAX + 1)):
        with pytest.raises(LocalProtocolError):
            frame(body)


@pytest.mark.parametrize("chunk_bytes", [1, 3, 1_000_000])
def test_nothing_is_kept_of_frames_that_were_handed_out(chunk_bytes: int) -> None:
    """The buffer holds less than one frame whatever came before: what keeps reading linear, and memory bounded."""
    reader = FrameReader()
    stream = frame(b"tiny") * 20_000
    bodies = 0
    for at in range(0, len(stream), chunk_bytes):
        bodies += len(reader.feed(stream[at : at + chunk_bytes]))
        assert len(reader._buffer) < HEAD_BYTES + len(b"tiny")
    assert bodies == 20_000
