"""Writes that are gathered leave at once, in order, and what else is sent meanwhile keeps its place."""

from __future__ import annotations

import pytest
import trio
from trio.testing import memory_stream_pair

from p2preg.rpc.gathering import GatheringStream
from p2preg.rpc.outbox import GATHERED_BYTES, Outbox, Outgoing, Total


async def test_nothing_leaves_before_the_end_of_the_block() -> None:
    ours, theirs = memory_stream_pair()
    stream = GatheringStream(ours)
    async with stream.gathered():
        await stream.send_all(b"one ")
        await stream.send_all(b"two ")
        with trio.move_on_after(0.01):
            pytest.fail(f"came too early: {await theirs.receive_some()!r}")
    await stream.send_all(b"three")
    assert await theirs.receive_some() == b"one two three"


async def test_an_empty_block_sends_nothing() -> None:
    ours, theirs = memory_stream_pair()
    stream = GatheringStream(ours)
    async with stream.gathered():
        pass
    await stream.send_all(b"alone")
    assert await theirs.receive_some() == b"alone"


async def test_a_block_that_fails_sends_nothing_and_holds_nothing_back_afterwards() -> None:
    ours, theirs = memory_stream_pair()
    stream = GatheringStream(ours)
    with pytest.raises(ValueError, match="broken"):
        async with stream.gathered():
            await stream.send_all(b"half")
            raise ValueError("broken")
    await stream.send_all(b"whole")
    assert await theirs.receive_some() == b"whole"


async def test_an_outbox_gives_as_many_frames_as_make_one_write() -> None:
    total = Total()
    outbox = Outbox(total)
    frame = Outgoing(bytes(GATHERED_BYTES // 2))
    for _ in range(3):
        outbox.put(frame)
    assert len(await outbox.get()) == 2
    assert len(await outbox.get()) == 1


async def test_what_is_abandoned_no_longer_counts() -> None:
    total = Total()
    outbox, other = Outbox(total), Outbox(total)
    outbox.put(Outgoing(b"abc"))
    other.put(Outgoing(b"de"))
    assert total.bytes == 5
    for outgoing in await other.get():
        other.sent(outgoing)
    outbox.abandon()
    assert (total.bytes, outbox.bytes) == (0, 0)
