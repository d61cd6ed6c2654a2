"""How far a long command has come: one line that is rewritten on a terminal, else a line now and then."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from typing import TextIO

from p2preg.cli.output import duration, harmless

REWRITE_SECONDS = 0.1
LINE_SECONDS = 5.0
_START_OF_LINE = "\r\x1b[K"  # and clear it


class Progress:
    """Use it with `with`: at the end the line is cleared, whatever the end is."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._rewrites = stream.isatty()
        self._pause = REWRITE_SECONDS if self._rewrites else LINE_SECONDS
        self._began = clock()
        self._told_at = -math.inf

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rewrites:
            self._write(_START_OF_LINE)

    def tell(self, done: float, note: str) -> None:
        """`done`: from 0 to 1. What comes too soon after the line before is not shown."""
        now = self._clock()
        if now - self._told_at < self._pause:
            return
        self._told_at = now
        line = f"{min(1.0, max(0.0, done)):4.0%}  {harmless(note)} ({duration(now - self._began)})"
        if self._rewrites:
            self._write(_START_OF_LINE + line[: shutil.get_terminal_size().columns - 1])
        else:
            self._write(line + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
