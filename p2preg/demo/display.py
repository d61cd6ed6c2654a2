"""The live display: a fixed layout on the terminal's other screen, drawn anew a few times a second."""

from __future__ import annotations

from collections.abc import Callable

import trio
from rich.console import Console
from rich.layout import Layout
from rich.live import Live
from rich.table import Table
from rich.text import Text

from p2preg.demo import panels
from p2preg.demo.scene import DONE, FAILED, Scene

FRAME_SECONDS = 0.2
ROWS_MIN, COLUMNS_MIN = 24, 80  # below this the plain log is easier to read
PROGRESS_CELLS = 20
SCORES_ROWS, TREE_ROWS_MIN = 5, 4


def fits(console: Console) -> bool:
    """Whether the console is a terminal that is large enough."""
    is_able = console.is_terminal and not console.is_dumb_terminal
    return is_able and console.size.height >= ROWS_MIN and console.size.width >= COLUMNS_MIN


async def show(console: Console, scene: Scene, clock: Callable[[], float], refresh: Callable[[], None]) -> None:
    """Draw the scene, after `refresh`, until cancelled; the terminal is then as it was."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            refresh()
            live.update(frame(scene, console.size.width, console.size.height, clock()), refresh=True)
            await trio.sleep(FRAME_SECONDS)


def frame(scene: Scene, width: int, height: int, seconds: float) -> Layout:
    """One picture of the scene, `seconds` after the beginning, for a terminal of this size."""
    right = max(36, width * 2 // 5)
    left = width - right
    story = len(scene.steps) + 2
    rows = min(len(scene.registries), max(3, (height - 14) // 2))
    events = height - 2 - 2 * (rows + 3)
    room = height - 2 - story - SCORES_ROWS
    tree = min(len(scene.registries) + 2, room)
    picture = Layout()
    picture.split_column(
        Layout(_header(scene, seconds), size=1),
        Layout(name="body"),
        Layout(Text(f" {scene.footer}", "dim", no_wrap=True, overflow="ellipsis"), size=1),
    )
    picture["body"].split_row(Layout(name="left", size=left), Layout(name="right", size=right))
    picture["left"].split_column(
        Layout(panels.registries_panel(scene, rows, left), size=rows + 3),
        Layout(panels.nodes_panel(scene, rows, left), size=rows + 3),
        Layout(panels.events_panel(scene, events - 2, left)),
    )
    picture["right"].split_column(
        Layout(panels.story_panel(scene, right, seconds), size=story),
        Layout(panels.tree_panel(scene), size=tree, visible=tree >= TREE_ROWS_MIN),
        Layout(panels.scores_panel(scene, right)),
    )
    return picture


def _header(scene: Scene, seconds: float) -> Table:
    finished = sum(step.status in (DONE, FAILED) for step in scene.steps)
    total = max(1, len(scene.steps))
    full = PROGRESS_CELLS * finished // total
    line = Table.grid(expand=True)
    line.add_column(justify="left")
    line.add_column(justify="right")
    line.add_row(
        Text.assemble(
            (" p2preg demo", "bold"),
            (f"   {len(scene.registries)} registries, {len(scene.nodes)} nodes", "dim"),
        ),
        Text.assemble(
            (f"{seconds:5.1f} s  ", ""), ("━" * full, "green"), ("━" * (PROGRESS_CELLS - full), "bright_black"),
            (f"  {finished}/{total} ", ""),
        ),
    )  # fmt: skip
    return line
