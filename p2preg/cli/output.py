"""What is printed: JSON for machines, tables for people. Text from the network is made harmless first: a label must not
be able to move the cursor."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 160  # columns when nobody watches and COLUMNS says nothing
DASH = "–"


def print_json(value: Any) -> None:
    """One line of JSON, at once."""
    print(json.dumps(value, ensure_ascii=True), flush=True)


def console() -> Console:
    """Standard output. Wide when it is not a terminal, so that nothing is cut off in a file."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=shutil.get_terminal_size((PIPE_WIDTH, 24)).columns)


def harmless(value: Any) -> str:
    """`value` as text without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def text(value: Any, style: str = "") -> Text:
    """A table cell: no markup, nothing that a terminal would obey."""
    return Text(DASH if value is None or value == "" else harmless(value), style="dim" if value is None else style)


def plain_table(*columns: str) -> Table:
    """An empty table in the house's style."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def facts_table(facts: dict[str, Any]) -> Table:
    """Names and values, one a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(text(name), text(value))
    return table


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """A JSON object as dotted names; lists of plain values on one line."""
    if isinstance(value, dict):
        parts: dict[str, Any] = {}
        for key, inner in value.items():
            parts.update(flat(inner, f"{name}.{key}" if name else str(key)))
        return parts
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        parts = {}
        for position, inner in enumerate(value):
            parts.update(flat(inner, f"{name}[{position}]"))
        return parts
    return {name: ", ".join(map(str, value)) if isinstance(value, list) else value}


def number(value: Any, digits: int = 2) -> str | None:
    """A measured number; None stays None."""
    return None if value is None else f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """1.234 → 1.2 s, 75 → 1 min 15 s, 7300 → 2 h 1 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
