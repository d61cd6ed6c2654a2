"""Waiting for a condition, with a deadline and without sleeping: whoever changes something beats the pulse, whoever
waits looks again."""

from __future__ import annotations

from collections.abc import Callable

import trio


class Pulse:
    """Wakes all who wait each time it beats."""

    def __init__(self) -> None:
        self._beat = trio.Event()

    def beat(self) -> None:
        """Something has changed."""
        self._beat.set()
        self._beat = trio.Event()

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()`, at most so many seconds; whether it holds. However fast it beats, at most half of the
        time goes into looking."""
        with trio.move_on_after(seconds):
            while True:
                beat, began = self._beat, trio.current_time()
                if holds():
                    return True
                await trio.sleep(trio.current_time() - began)
                await beat.wait()
        return holds()
