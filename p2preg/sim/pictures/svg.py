"""SVG written by hand: a page with a title, and the marks that go on it. The same calls give the same text.

Names come from anywhere: text is escaped, and letters that XML 1.0 forbids (section 2.2) are replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

# Okabe and Ito's colours, which the colour-blind can tell apart; black is for text, yellow is too pale for a line.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
INK, SOFT, FAINT, PAPER = "#1b1f24", "#5b6470", "#d9dee4", "#ffffff"
FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"

MARGIN = 28
HEADER = 84  # title and subtitle
NAME_MAX = 60  # letters of a name that are shown

Point = tuple[float, float]

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """`text` as XML content, at most `NAME_MAX` letters of it."""
    shown = text if len(text) <= NAME_MAX else f"{text[: NAME_MAX - 1]}…"
    return escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", shown))


def width_of(text: str, size: float) -> float:
    """About how wide `text` is in pixels: browsers differ, so it is on the generous side."""
    return len(text[:NAME_MAX]) * size * 0.56


def number(value: float) -> str:
    """A coordinate: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def words(
    x: float, y: float, text: str, *, size: float = 12, fill: str = INK, anchor: str = "start", weight: int = 400
) -> str:
    """A line of text, its base line at `y`."""
    style = f'font-size="{number(size)}" fill="{fill}"'
    style += f' text-anchor="{anchor}"' if anchor != "start" else ""
    style += f' font-weight="{weight}"' if weight != 400 else ""
    return f'<text x="{number(x)}" y="{number(y)}" {style}>{clean(text)}</text>'


def line(points: Iterable[Point], stroke: str, width: float = 1, *, dash: str = "") -> str:
    """Straight lines through `points`."""
    path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    look = f'stroke="{stroke}" stroke-width="{number(width)}" stroke-linejoin="round" stroke-linecap="round"'
    return f'<polyline points="{path}" fill="none" {look}{dashed}/>'


def curve(points: Sequence[Point], stroke: str, width: float, *, dash: str = "", opacity: float = 1.0) -> str:
    """A cubic Bézier curve: start, two control points, end."""
    (a, b), (c, d), (e, f), (g, h) = ((number(x), number(y)) for x, y in points)
    look = f'stroke="{stroke}" stroke-width="{number(width)}"'
    look += f' stroke-dasharray="{dash}"' if dash else ""
    look += f' stroke-opacity="{opacity}"' if opacity < 1 else ""
    return f'<path d="M{a} {b}C{c} {d} {e} {f} {g} {h}" fill="none" {look}/>'


def dot(x: float, y: float, radius: float, fill: str, *, ring: str = PAPER) -> str:
    """A filled circle with a thin ring that sets it off from what lies beneath."""
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}" stroke="{ring}" '
        f'stroke-width="{number(min(1.5, radius / 2))}"/>'
    )


def page(title: str, subtitle: str, width: float, height: float, marks: Iterable[str]) -> str:
    """The whole document."""
    size = f'width="{number(width)}" height="{number(height)}" viewBox="0 0 {number(width)} {number(height)}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" role="img">',
        f"<title>{clean(title)}</title>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        words(MARGIN, 38, title, size=19, weight=600),
        words(MARGIN, 60, subtitle, size=13, fill=SOFT),
    ]
    return "\n".join([*head, *marks, "</svg>", ""])
