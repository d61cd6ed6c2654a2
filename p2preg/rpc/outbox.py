"""What a websocket session still has to send: bounded in bytes, per session and for all sessions together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import trio

OUTBOX_BYTES_SOFT = 1_048_576  # beyond, a session's further calls wait until its client has read
GATHERED_BYTES = 65_536  # taken at once for one write to the socket
OUTBOX_BYTES_TOTAL_MAX = 33_554_432  # of all sessions; beyond, the session that lags most is aborted


@dataclass(slots=True)
class Outgoing:
    """One text frame. `is_bulk`: a subscription's notification, whose leaving makes room for the next."""

    text: bytes
    is_bulk: bool = False


@dataclass(slots=True)
class Total:
    """The bytes in all outboxes together."""

    bytes: int = 0


class Outbox:
    """A queue between the driver, which never waits, and the writer task of one session."""

    def __init__(self, total: Total) -> None:
        self._total = total
        self._queue: deque[Outgoing] = deque()
        self._filled = trio.Event()
        self._shrunk = trio.Event()
        self.bytes = 0

    def put(self, outgoing: Outgoing) -> None:
        self._queue.append(outgoing)
        self._count(len(outgoing.text))
        self._filled.set()

    async def get(self) -> list[Outgoing]:
        """The next frames, as many as make one good write. Their bytes count until `sent` is called."""
        while not self._queue:
            self._filled = trio.Event()
            await self._filled.wait()
        taken: list[Outgoing] = []
        room = GATHERED_BYTES
        while self._queue and room > 0:
            taken.append(self._queue.popleft())
            room -= len(taken[-1].text)
        return taken

    def sent(self, outgoing: Outgoing) -> None:
        self._count(-len(outgoing.text))
        self._shrunk.set()

    def abandon(self) -> None:
        """What is left will never be sent."""
        self._queue.clear()
        self._count(-self.bytes)

    def _count(self, difference: int) -> None:
        self.bytes += difference
        self._total.bytes += difference

    async def wait_room(self) -> None:
        """Until less than the soft bound is waiting."""
        await self._wait_below(OUTBOX_BYTES_SOFT)

    async def wait_empty(self) -> None:
        """Until everything has left."""
        await self._wait_below(1)

    async def _wait_below(self, bound: int) -> None:
        while self.bytes >= bound:
            if self._shrunk.is_set():
                self._shrunk = trio.Event()
            await self._shrunk.wait()
