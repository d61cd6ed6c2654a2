"""A broadcast tree: its root at the left, one column a hop, the links that only announce faint behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from p2preg.sim.pictures.svg import (
    HEADER,
    INK,
    MARGIN,
    PAPER,
    SOFT,
    clean,
    curve,
    dot,
    line,
    number,
    page,
    width_of,
    words,
)

WIDTH_MIN, COLUMN_MAX = 860, 220
ROWS_HEIGHT = 1_400  # rows are set closer when they would be higher than that together
ROW_MAX, ROW_MIN = 26.0, 1.0
NAMED_ROW = 13.0  # rows closer than this have no room for names
NAME_SIZE = 11.5
COLUMN_HEADER = 64
LEGEND = 52
CROWD = 200  # links that only announce: from so many on each is fainter

TREE, SURPLUS, ANNOUNCED, ROOT = "#0072b2", "#d55e00", "#a9b2bd", "#d55e00"

Edge = tuple[str, str]
Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layers:
    """`depth`: hops from the root, nearest first. `parent`: who reaches whom first. `row`: how far down, in rows."""

    depth: dict[str, int]
    parent: dict[str, str]
    row: dict[str, float]

    @property
    def height(self) -> float:
        return max(self.row.values()) + 1


def tree_picture(
    title: str, root: str, eager: Mapping[str, Iterable[str]], lazy: Iterable[Edge] = (), subtitle: str = ""
) -> str:
    """The tree as an SVG document. `eager`: to whom each member pushes; `lazy`: links over which is only announced.
    Members that no push reaches stand in a column of their own; pushes beside the tree's are dashed."""
    pushed = list(dict.fromkeys((a, b) for a, kids in eager.items() for b in kids if a != b))
    announced = list(dict.fromkeys((min(edge), max(edge)) for edge in lazy if edge[0] != edge[1]))
    members = list(dict.fromkeys(chain([root], eager, *pushed, *announced)))
    layers = _layers(root, pushed, members)
    places, width, row = _places(layers)
    in_tree = {(parent, kid) for kid, parent in layers.parent.items()}
    drawn = [edge for edge in pushed if edge in in_tree]
    surplus = [(a, b) for a, b in pushed if (a, b) not in in_tree and (b, a) not in in_tree]
    linked = {*pushed, *((b, a) for a, b in pushed)}
    faint = [edge for edge in announced if edge not in linked]
    marks = [
        *(_edge(places, edge, ANNOUNCED, 0.8, opacity=0.55 if len(faint) < CROWD else 0.25) for edge in faint),
        *(_edge(places, edge, TREE, 1.8 if row >= NAMED_ROW else 0.9) for edge in drawn),
        *(_edge(places, edge, SURPLUS, 1.4, dash="5 4") for edge in surplus),
        *_members(root, layers, places, row),
        *_column_headers(layers, places),
        *_legend(len(drawn), len(surplus), len(faint), HEADER + COLUMN_HEADER + layers.height * row + 12),
    ]
    return page(title, subtitle, width, HEADER + COLUMN_HEADER + layers.height * row + LEGEND, marks)


# --- who stands where ---------------------------------------------------------------------------------------


def _layers(root: str, pushed: Sequence[Edge], members: Sequence[str]) -> Layers:
    """Breadth first, as a message spreads when all links are alike."""
    kids: dict[str, list[str]] = {}
    for sender, receiver in pushed:
        kids.setdefault(sender, []).append(receiver)
    depth, parent, queue = {root: 0}, dict[str, str](), [root]
    for sender in queue:
        for kid in kids.get(sender, ()):
            if kid not in depth:
                depth[kid], parent[kid] = depth[sender] + 1, sender
                queue.append(kid)
    row = _rows(root, queue, parent)
    stranded = [name for name in members if name not in depth]
    apart = max(depth.values()) + 1
    depth |= dict.fromkeys(stranded, apart)
    row |= {name: float(n) for n, name in enumerate(stranded)}
    return Layers(depth, parent, row)


def _rows(root: str, reached: Sequence[str], parent: Mapping[str, str]) -> dict[str, float]:
    """Leaves in a row each, in the order in which a walk through the tree meets them; others amid their own."""
    kids: dict[str, list[str]] = {}
    for kid, above in parent.items():
        kids.setdefault(above, []).append(kid)
    row: dict[str, float] = {}
    stack = [root]
    while stack:
        name = stack.pop()
        if name in kids:
            stack += reversed(kids[name])
        else:
            row[name] = float(len(row))
    for name in reversed(reached):
        if name in kids:
            row[name] = (row[kids[name][0]] + row[kids[name][-1]]) / 2
    return row


def _places(layers: Layers) -> tuple[dict[str, Place], float, float]:
    """Pixels of each member, the width of the page, and of how many pixels a row is."""
    row = min(ROW_MAX, max(ROW_MIN, ROWS_HEIGHT / layers.height))
    columns = max(1, *layers.depth.values())
    last = [width_of(name, NAME_SIZE) for name in layers.depth] if row >= NAMED_ROW else []
    room = max(last, default=0) + 20
    column = min(COLUMN_MAX, max((WIDTH_MIN - 2 * MARGIN - 30 - room) / columns, COLUMN_MAX / 2))
    top = HEADER + COLUMN_HEADER + row / 2
    places = {
        name: (MARGIN + 30 + depth * column, top + layers.row[name] * row) for name, depth in layers.depth.items()
    }
    return places, max(WIDTH_MIN, MARGIN + 30 + columns * column + room + MARGIN), row


# --- marks --------------------------------------------------------------------------------------------------


def _edge(
    places: Mapping[str, Place], edge: Edge, colour: str, width: float, *, dash: str = "", opacity: float = 1.0
) -> str:
    """A curve that leaves and arrives level; one within a column swings out to the left."""
    (a, b), (c, d) = sorted((places[edge[0]], places[edge[1]]))
    bend = a - min(60.0, 14 + (d - b) / 6) if a == c else (a + c) / 2
    return curve([(a, b), (bend, b), (bend, d), (c, d)], colour, width, dash=dash, opacity=opacity)


def _members(root: str, layers: Layers, places: Mapping[str, Place], row: float) -> list[str]:
    """The dots, and the names where there is room: behind a leaf, before what has others behind it."""
    radius = max(0.8, min(5.5, row / 3))
    inner = dict.fromkeys(layers.parent.values())
    marks = []
    for name, (x, y) in places.items():
        reached = name == root or name in layers.parent
        colour = ROOT if name == root else TREE if reached else SOFT
        marks.append(dot(x, y, radius * (1.5 if name == root else 1), colour))
        if row >= NAMED_ROW:
            if name == root:
                marks.append(_name(name, MARGIN, y - 16, "start"))
            elif name in inner:
                marks.append(_name(name, x - 5, y - 7, "end"))
            else:
                marks.append(_name(name, x + 11, y + 4, "start"))
    return marks


def _name(name: str, x: float, y: float, anchor: str) -> str:
    """A name with a halo, so that lines may pass beneath it."""
    look = f'font-size="{NAME_SIZE}" fill="{INK}" text-anchor="{anchor}"'
    halo = f'stroke="{PAPER}" stroke-width="3" stroke-linejoin="round" paint-order="stroke"'
    return f'<text x="{number(x)}" y="{number(y)}" {look} {halo}>{clean(name)}</text>'


def _column_headers(layers: Layers, places: Mapping[str, Place]) -> list[str]:
    """Hops, and beneath how many stand there."""
    counts = Counter(layers.depth.values())
    reached = max((layers.depth[name] for name in layers.parent), default=0)
    marks = []
    for depth, count in sorted(counts.items()):
        x = next(places[name][0] for name, at in layers.depth.items() if at == depth)
        title = "origin" if depth == 0 else "not reached" if depth > reached else f"{depth} hop{'s' * (depth > 1)}"
        marks.append(words(x, HEADER + 22, title, size=12.5, anchor="middle", weight=600))
        if depth > 0:
            marks.append(words(x, HEADER + 39, str(count), size=12, fill=SOFT, anchor="middle"))
    return marks


def _legend(tree: int, surplus: int, faint: int, top: float) -> list[str]:
    """What the lines mean, and how many there are of each."""
    marks, left = [], float(MARGIN)
    for text, count, colour, width, dash in (
        ("pushed", tree, TREE, 2.0, ""),
        ("pushed in vain", surplus, SURPLUS, 1.6, "5 4"),
        ("announced only", faint, ANNOUNCED, 1.2, ""),
    ):
        if count:
            said = f"{text} ({count})"
            marks.append(line([(left, top + 16), (left + 26, top + 16)], colour, width, dash=dash))
            marks.append(words(left + 34, top + 20, said, size=12.5, fill=SOFT))
            left += 34 + width_of(said, 12.5) + 24
    return marks
