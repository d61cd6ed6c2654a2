"""Media Nodes as table rows and as one line, for `list`, `watch` and `select`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from p2preg.cli.output import harmless, number, plain_table, text

SHORT = 12  # digits of an id shown; any command takes them back
STATE_STYLES = {"serving": "green", "starting": "cyan", "cordoned": "yellow", "draining": "yellow", "stopping": "red"}
CONTACT_STYLES = {"live": "green", "suspect": "yellow", "unknown": "magenta", "expired": "red"}

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """`from_width`: how wide the terminal must be for it to be shown."""

    title: str
    cell: Callable[[Node], Text]
    from_width: int = 0


def _place(node: Node) -> Text:
    parts = [node.get("region"), node.get("city"), node.get("country")]
    return text(" ".join(str(part) for part in parts if part) or None)


def _state(node: Node) -> Text:
    return text(node.get("state"), STATE_STYLES.get(node.get("state", ""), ""))


def _contact(node: Node) -> Text:
    return text(node.get("contact"), CONTACT_STYLES.get(node.get("contact", ""), ""))


def _load(node: Node) -> Text:
    return text(number((node.get("load") or {}).get("load")))


def _qos(node: Node) -> Text:
    qos = node.get("qos")
    return text(number(qos["score"], 0) if qos and qos.get("confidence") else None)


def _codecs(node: Node) -> Text:
    return text(" ".join(codec.rpartition("/")[2] for codec in node.get("codecs", ())) or None)


def _software(node: Node) -> Text:
    software = node.get("software")
    return text(f"{software.get('name', '')} {software.get('version', '')}" if software else None)


def _endpoint(node: Node) -> Text:
    endpoints = node.get("endpoints") or [{}]
    return text(endpoints[0].get("url"))


COLUMNS = (
    Column("node", lambda node: text(node["node_id"][:SHORT], "bold")),
    Column("kind", lambda node: text(node.get("kind"))),
    Column("place", _place),
    Column("state", _state),
    Column("contact", _contact),
    Column("load", _load),
    Column("qos", _qos),
    Column("codecs", _codecs, 100),
    Column("home", lambda node: text(node["home"][:8] if "home" in node else None), 90),
    Column("software", _software, 140),
    Column("endpoint", _endpoint, 120),
)


def nodes_table(nodes: Iterable[Node], width: int) -> Table:
    """One row a node, with as many columns as fit."""
    columns = [column for column in COLUMNS if width >= column.from_width]
    table = plain_table()
    for column in columns:
        table.add_column(column.title, no_wrap=True, justify="right" if column.title in ("load", "qos") else "left")
    for node in nodes:
        table.add_row(*(column.cell(node) for column in columns))
    return table


def node_line(node: Node) -> str:
    """A node in a few words."""
    load = (node.get("load") or {}).get("load")
    words = [node.get("kind"), node.get("region"), node.get("state"), node.get("contact")]
    words += [f"load {load:.2f}"] if load is not None else []
    return harmless(" ".join(str(word) for word in words if word))


def freshness_line(freshness: Mapping[str, Any]) -> str:
    """How much an answer knows."""
    synced = "synced" if freshness["synced"] else "NOT SYNCED: it may be incomplete"
    cut_off = "; the registry may be cut off and keeps what was live" if freshness["preserving"] else ""
    return f"{synced}, {freshness['registries_fresh']} of {freshness['registries_known']} registries fresh{cut_off}"
