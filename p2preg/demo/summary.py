"""What was proven, as lines for a person; the exit code follows from them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from p2preg.demo.claims import Claim


def holds(claims: Sequence[Claim]) -> bool:
    """Whether there are claims, and each holds."""
    return bool(claims) and all(claim.holds for claim in claims)


def verdict(claims: Sequence[Claim], seconds: float) -> str:
    """The last line."""
    broken = sum(not claim.holds for claim in claims)
    if not claims:
        return f"Nothing was proven in {seconds:.0f} s."
    if broken:
        return f"{broken} of {len(claims)} claims do not hold ({seconds:.0f} s)."
    return f"All {len(claims)} claims hold ({seconds:.0f} s)."


def print_summary(console: Console, claims: Sequence[Claim], seconds: float) -> None:
    """The claims as a table; on a terminal in colour."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for claim in claims:
        mark = Text("✓", "green") if claim.holds else Text("✗", "bold red")
        table.add_row(mark, claim.name, Text(claim.said, "dim" if claim.holds else "red"))
    console.print()
    console.print(Text("What was proven", "bold"))
    console.print(table)
    console.print(Text(verdict(claims, seconds), "bold green" if holds(claims) else "bold red"))
