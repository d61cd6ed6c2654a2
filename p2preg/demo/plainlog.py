"""The story without a display: one line a fact, for logs, pipes and small terminals."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


class PlainLog:
    """Prints a line as soon as there is something to say. Colour only where the console has it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, seconds: float, mark: str, text: str) -> None:
        """`mark`: one character that says what kind of line it is."""
        self._console.print(Text(f"{seconds:6.1f} s  {mark} {text}"), soft_wrap=True)
