"""Marks and colours, one for each state: the same in every table, and told apart without colour too."""

from __future__ import annotations

from rich.text import Text

from p2preg.demo.scene import DONE, FAILED, RUNNING, WAITING, NodeRow

LIVE, DRAINING, SUSPECT, UNKNOWN, EXPIRED = "live", "draining", "suspect", "unknown", "expired"
MARKS = {
    LIVE: ("●", "green"),
    DRAINING: ("◐", "cyan"),
    SUSPECT: ("◎", "yellow"),
    UNKNOWN: ("◌", "magenta"),
    EXPIRED: ("×", "red"),
}
REGISTRY_COLOURS = {"ready": "green", "starting": "yellow", "leaving": "cyan", "killed": "bold red", "stopped": "dim"}
EVENT_COLOURS = {
    "enter": "green",
    "update": "cyan",
    "leave": "yellow",
    "synced": "green",
    "stale": "yellow",
    "query": "magenta",
    "select": "bold magenta",
    "story": "bold red",
}
STEP_MARKS = {WAITING: ("·", "dim"), RUNNING: ("▸", "bold cyan"), DONE: ("✓", "green"), FAILED: ("✗", "bold red")}


def condition_of(node: NodeRow) -> str:
    """The one word that decides a Media Node's mark."""
    if node.contact == LIVE and node.state not in ("serving", "starting"):
        return DRAINING
    return node.contact


def mark_of(condition: str) -> Text:
    """The mark of a condition, in its colour; a dot for a node that nobody has seen yet."""
    mark, colour = MARKS.get(condition, ("·", "dim"))
    return Text(mark, colour)
