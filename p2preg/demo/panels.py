"""The parts of the display, each a panel made from the scene alone. Whatever does not fit is left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from p2preg.demo.scene import READY, RUNNING, Happening, NodeRow, RegistryRow, Scene, ScoreRow
from p2preg.demo.style import (
    EVENT_COLOURS,
    MARKS,
    REGISTRY_COLOURS,
    STEP_MARKS,
    condition_of,
    mark_of,
)
from p2preg.demo.tree import Branch, size

ID_DIGITS = 8
BAR_CELLS = 20


def _panel(title: str, body: RenderableType, aside: str = "") -> Panel:
    return Panel(
        body,
        title=f"[bold]{title}[/]",
        title_align="left",
        subtitle=f"[dim]{aside}[/]" if aside else None,
        subtitle_align="right",
        border_style="bright_black",
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _grid(*justify: str) -> Table:
    table = Table.grid(padding=(0, 2), expand=False)
    for each in justify:
        table.add_column(justify=each, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]  # rich's literals
    return table


def registries_panel(scene: Scene, rows_max: int, width: int) -> Panel:
    """One row a registry process, with as many columns as there is room for."""
    rows = scene.registries[:rows_max]
    columns = [column for column in _COLUMNS if width >= column.width_min]
    table = _grid(*(column.justify for column in columns))
    table.add_row(*(Text(column.name, "dim") for column in columns))
    for row in rows:
        table.add_row(*(_registry_cell(column, row, len(scene.registries) - 1) for column in columns))
    hidden = len(scene.registries) - rows_max
    return _panel("Registries", table, f"and {hidden} more" if hidden > 0 else "")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the registries' table. `width_min`: of the panel, below which it is left out."""

    name: str
    justify: str
    width_min: int
    of_ready: bool  # only a registry that is up has it


_COLUMNS = (
    _Column("", "left", 0, of_ready=False),
    _Column("id", "left", 58, of_ready=False),
    _Column("state", "left", 0, of_ready=False),
    _Column("links", "right", 48, of_ready=True),
    _Column("hears", "right", 0, of_ready=True),
    _Column("nodes", "right", 0, of_ready=True),
    _Column("synced", "left", 0, of_ready=True),
    _Column("MiB", "right", 60, of_ready=True),
    _Column("region", "left", 80, of_ready=False),
)


def _registry_cell(column: _Column, row: RegistryRow, others: int) -> Text:
    if column.of_ready and row.state != READY:
        return Text("–", "dim")
    match column.name:
        case "id":
            return Text(row.registry_id[:ID_DIGITS] or "–", "dim")
        case "state":
            return Text(row.state, REGISTRY_COLOURS[row.state])
        case "links":
            return Text(str(row.neighbours))
        case "hears":
            return Text(f"{row.heard}/{others}", "green" if row.heard == others else "yellow")
        case "nodes":
            return Text(str(row.nodes))
        case "synced":
            return Text("yes", "green") if row.synced else Text("not yet", "yellow")
        case "MiB":
            return Text("–" if row.memory_mib is None else f"{row.memory_mib:.0f}", "dim")
        case "region":
            return Text(row.region, "dim")
    return Text(row.name, "bold")


def nodes_panel(scene: Scene, rows_max: int, width: int) -> Panel:
    """One row a home, one mark a Media Node: a node that moves is seen to move."""
    table = _grid("left", "left", "right")
    of_home: dict[str, list[NodeRow]] = {row.registry_id: [] for row in scene.registries}
    for node in scene.nodes.values():
        of_home.setdefault(node.home, []).append(node)
    room = width - 14
    for row in scene.registries[:rows_max]:
        guests = of_home[row.registry_id] if row.registry_id else []
        table.add_row(Text(row.name, "bold"), _marks(guests, room), Text(str(len(guests)), "dim"))
    hidden = len(scene.registries) - rows_max
    table_and_legend = Table.grid(expand=True)
    table_and_legend.add_row(table)
    table_and_legend.add_row(_legend(scene.nodes.values()))
    return _panel("Media Nodes by home", table_and_legend, f"and {hidden} more homes" if hidden > 0 else "")


def _marks(guests: list[NodeRow], room: int) -> Text:
    gap = " " if 2 * len(guests) <= room else ""
    fits = guests if len(guests) <= room else guests[: room - 1]
    marks = Text(gap).join(mark_of(condition_of(node)) for node in fits)
    return marks if len(fits) == len(guests) else marks + Text("…", "dim")


def _legend(nodes: Iterable[NodeRow]) -> Text:
    counts = Counter(condition_of(node) for node in nodes)
    return Text("  ").join(
        Text.assemble((mark, colour), f" {counts[name]} {name}")
        for name, (mark, colour) in MARKS.items()
        if counts[name]
    )


def story_panel(scene: Scene, width: int, seconds: float) -> Panel:
    """The steps, and beside them, where there is room, what came of each."""
    table = _grid("left", "left", "left")
    titles = max((len(step.title) for step in scene.steps), default=0)
    room = width - titles - 11
    for step in scene.steps:
        mark, colour = STEP_MARKS[step.status]
        said = f"{seconds - step.began:.0f} s …" if step.status == RUNNING else step.said
        shown = said if room >= 8 else ""
        table.add_row(
            Text(mark, colour),
            Text(step.title, colour if step.status != "done" else ""),
            Text(shown[: max(room, 0)], "dim"),
        )
    return _panel("Story", table)


def tree_panel(scene: Scene) -> Panel:
    """How one registry's batches reach the others."""
    if scene.tree is None:
        return _panel("Broadcast tree", Text("not grown yet", "dim"))
    lines = [Text(scene.registry_name(scene.tree.registry), "bold green"), *_twigs(scene, scene.tree, "")]
    title = f"Broadcast tree of {scene.registry_name(scene.tree.registry)}"
    return _panel(title, Text("\n").join(lines), f"reaches {size(scene.tree)} of {len(scene.registries)}")


def _twigs(scene: Scene, branch: Branch, indent: str) -> list[Text]:
    lines = []
    for place, child in enumerate(branch.children, start=1):
        last = place == len(branch.children)
        fork = indent + ("╰─ " if last else "├─ ")
        lines.append(Text.assemble((fork, "bright_black"), scene.registry_name(child.registry)))
        lines += _twigs(scene, child, indent + ("   " if last else "│  "))
    return lines


def scores_panel(scene: Scene, width: int) -> Panel:
    """What quality the reports amount to."""
    table = _grid("left", "left", "right", "left")
    named = width >= 50
    cells = min(BAR_CELLS, width - (40 if named else 28))  # what the other columns leave
    for row in scene.scores:
        name = [Text(row.node_id[:ID_DIGITS], "dim")] if named else []
        table.add_row(Text(row.about), _bar(row, cells), Text(_votes(row), "dim"), *name)
    return _panel("QoS", table if scene.scores else Text("no reports yet", "dim"))


def _bar(row: ScoreRow, cells: int) -> Text:
    if row.score is None:
        return Text("·" * cells, "dim")
    full = round(row.score / 100 * cells)
    colour = "green" if row.score >= 70 else "yellow" if row.score >= 40 else "red"
    return Text.assemble(("█" * full, colour), ("░" * (cells - full), "dim"), f" {row.score:3.0f}")


def _votes(row: ScoreRow) -> str:
    return f"of {row.reporters}" if row.reporters else ""


def events_panel(scene: Scene, rows_max: int, width: int) -> Panel:
    """The latest of what the Orchestrator was told, newest last."""
    latest = list(scene.events)[-rows_max:] if rows_max > 0 else []
    lines = [_event_line(each, width - 4) for each in latest]
    body = Text("\n").join(lines) if lines else Text("nothing yet", "dim")
    return _panel("What the Orchestrator is told", body, f"query: {scene.query}" if scene.query else "")


def _event_line(event: Happening, width: int) -> Text:
    line = Text.assemble(
        (f"{event.at:5.1f} s  ", "dim"), (f"{event.kind:<7}", EVENT_COLOURS.get(event.kind, "")), event.text
    )
    line.truncate(width, overflow="ellipsis")
    return line
