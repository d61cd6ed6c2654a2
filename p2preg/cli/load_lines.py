"""Lines from standard input, a pipe or a growing file, without a thread that could not be stopped."""

from __future__ import annotations

import os
import stat
from collections import deque
from pathlib import Path

import trio

from p2preg.base.errors import ConfigError

CHUNK_BYTES = 65_536
LINE_BYTES_MAX = 65_536  # a longer line is cut into lines that will be refused
LOOK_SECONDS = 1.0  # between looks at a regular file, which cannot be waited for


class LineSource:
    """A file descriptor read line by line."""

    def __init__(self, descriptor: int, path: Path | None) -> None:
        self._descriptor = descriptor
        self._path = path
        self._follows = path is not None and stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._ended = False

    def close(self) -> None:
        if self._path is not None:
            os.close(self._descriptor)

    async def next_line(self) -> str | None:
        """The next line, as soon as it is there; None at a pipe's end. A regular file has no end: it is followed as it
        grows, and read again when it is written anew."""
        while not self._lines and not self._ended:
            chunk = await self._read()
            if chunk:
                self._take(chunk)
            elif self._follows:
                await trio.sleep(LOOK_SECONDS)
                self._reopen_if_replaced()
            else:
                self._ended = True
                self._lines += [self._rest] if self._rest else []
        return self._lines.popleft().decode(errors="replace") if self._lines else None

    def _take(self, chunk: bytes) -> None:
        *complete, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            complete, self._rest = [*complete, self._rest], b""
        self._lines += complete

    async def _read(self) -> bytes:
        if not self._follows:
            try:
                await trio.lowlevel.wait_readable(self._descriptor)
            except PermissionError:
                pass  # what epoll does not know, /dev/null say, never blocks
        return os.read(self._descriptor, CHUNK_BYTES)

    def _reopen_if_replaced(self) -> None:
        """Begin again when the file was cut short, or another one has its name."""
        assert self._path is not None
        try:
            named, ours = os.stat(self._path), os.fstat(self._descriptor)
            if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
                fresh = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                os.close(self._descriptor)
                self._descriptor = fresh
            elif ours.st_size < os.lseek(self._descriptor, 0, os.SEEK_CUR):
                os.lseek(self._descriptor, 0, os.SEEK_SET)
        except FileNotFoundError:
            return  # being replaced: look again
        except OSError as error:
            raise ConfigError(f"the load file {self._path} can no longer be read: {error.strerror}") from None


def open_lines(text: str) -> LineSource:
    """`-` is standard input. `ConfigError` when the file cannot be read."""
    if text == "-":
        return LineSource(0, None)
    path = Path(text)
    try:
        # A named pipe opened for writing as well never ends, and opening it does not wait for a writer.
        flags = os.O_RDWR if path.is_fifo() else os.O_RDONLY
        return LineSource(os.open(path, flags | os.O_CLOEXEC), path)
    except OSError as error:
        raise ConfigError(f"--load {text}: {error.strerror}") from None
