"""A stream whose writes can be gathered: many small frames leave in one system call instead of one each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class GatheringStream(trio.abc.Stream):
    """Passes everything on to `stream`; in between, what is sent while `gathered` is held back and sent at its end."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._lock = trio.StrictFIFOLock()  # a pong may be sent while gathered frames leave
        self._held: list[bytes | bytearray | memoryview] | None = None

    @asynccontextmanager
    async def gathered(self) -> AsyncIterator[None]:
        """Until the end of the block nothing leaves, and sending does not wait. By one task at a time."""
        held = self._held = []
        try:
            yield
        finally:
            self._held = None
        # Not reached when the block failed: half of it may be wanted by nobody, and who is cancelled closes the stream.
        if held:
            async with self._lock:
                await self._stream.send_all(b"".join(held))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        async with self._lock:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()
