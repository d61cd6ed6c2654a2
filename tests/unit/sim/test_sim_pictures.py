"""Charts and trees: always well-formed XML, whatever is drawn, and what they draw is where it should be."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from p2preg.sim.pictures import Axis, Series, line_chart, tree_picture
from p2preg.sim.pictures.curve import Scale
from p2preg.sim.pictures.ticks import linear_ticks, log_ticks, tick_labels

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</svg><script>&"\x00\x1b[31m\ud800\uffff'
X, Y = Axis("ms"), Axis("share")


def parsed(svg: str) -> ElementTree.Element:
    """The document; also after the way through a file."""
    return ElementTree.fromstring(svg.encode())


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def count(svg: str, tag: str) -> int:
    return len(list(parsed(svg).iter(SVG + tag)))


# --- charts -------------------------------------------------------------------------------------------------


def test_a_chart_has_its_title_axes_and_every_series_in_the_legend() -> None:
    svg = line_chart(
        "Spread", [Series("trees", [(0, 0), (9, 1)]), Series("flooding", [(0, 0), (4, 1)])], X, Y, "seed 1"
    )
    assert {"Spread", "seed 1", "ms", "share", "trees", "flooding", "0", "10", "0.2"} <= set(texts(svg))


def test_the_same_chart_is_the_same_text() -> None:
    def drawn() -> str:
        return line_chart("a", [Series("b", [(n, n * n) for n in range(9)])], X, Y)

    assert drawn() == drawn()


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(3.0, 4.0)],
        [(0.0, 0.0)],
        [(1e300, -1e300), (-1e300, 1e300)],
        [(1e-300, 1e-300), (2e-300, 2e-300)],
        [(1e18, 1e18), (1e18 + 4096, 1e18)],
        [(math.nan, 1.0), (1.0, math.inf), (2.0, 3.0)],
        [(7.0, 5.0)] * 100,
    ],
)
@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize("steps", [False, True])
def test_any_numbers_make_a_chart(points: list[tuple[float, float]], is_log: bool, steps: bool) -> None:
    svg = line_chart("numbers", [Series("s", points, steps)], Axis("x", is_log=is_log), Axis("y", is_log=is_log))
    assert "nan" not in svg
    assert "inf" not in svg
    parsed(svg)


def test_a_chart_of_nothing_says_so() -> None:
    assert "nothing was measured" in texts(line_chart("empty", [], X, Y))
    assert "nothing was measured" in texts(line_chart("empty", [Series("no points", [])], X, Y))


def test_one_point_is_a_dot() -> None:
    assert count(line_chart("one", [Series("s", [(1, 1)], steps=True)], X, Y), "circle") == 1


def test_hostile_names_stay_text() -> None:
    svg = line_chart(HOSTILE, [Series(HOSTILE, [(1, 1)])], Axis(HOSTILE), Axis(HOSTILE), HOSTILE)
    assert count(svg, "script") == 0
    assert texts(svg).count('</svg><script>&"\ufffd\ufffd[31m\ufffd\ufffd') == 5


def test_a_long_name_is_cut() -> None:
    assert "n" * 59 + "…" in texts(line_chart("t", [Series("n" * 1000, [(1, 1)])], X, Y))


def test_many_series_differ_in_colour_or_dash() -> None:
    svg = line_chart("t", [Series(str(n), [(0, n), (1, n)], steps=True) for n in range(18)], X, Y)
    looks = [(line.get("stroke"), line.get("stroke-dasharray")) for line in parsed(svg).iter(f"{SVG}polyline")]
    curves = [look for look in looks if looks.count(look) == 2]  # each in the chart and in the legend
    assert len(set(curves)) == 18


# --- ticks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (0, 97, ["0", "20", "40", "60", "80", "100"]),
        (-3, 3, ["−3", "−2", "−1", "0", "1", "2", "3"]),
        (0, 60_000, ["0", "10k", "20k", "30k", "40k", "50k", "60k"]),
        (0, 2.4e6, ["0", "500k", "1M", "1.5M", "2M", "2.5M"]),
    ],
)
def test_linear_ticks_are_round_and_hold_all(low: float, high: float, labels: list[str]) -> None:
    assert tick_labels(linear_ticks(low, high)) == labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (1, 100, ["1", "2", "5", "10", "20", "50", "100"]),
        (3, 40, ["2", "5", "10", "20", "50"]),
        (0.02, 0.3, ["0.02", "0.05", "0.1", "0.2", "0.5"]),
        (1, 1_000_000, ["1", "10", "100", "1000", "10k", "100k", "1M"]),
    ],
)
def test_logarithmic_ticks_are_round_and_hold_all(low: float, high: float, labels: list[str]) -> None:
    assert tick_labels(log_ticks(low, high)) == labels


@pytest.mark.parametrize("is_log", [False, True])
def test_a_scale_leads_from_the_first_tick_to_the_last(is_log: bool) -> None:
    scale = Scale((1.0, 10.0, 100.0), 0.0, 200.0, is_log)
    assert (scale(1.0), scale(100.0)) == (0.0, 200.0)
    assert scale(10.0) == pytest.approx(100.0 if is_log else 200 * 9 / 99)


# --- trees --------------------------------------------------------------------------------------------------


def test_a_tree_names_its_members_and_counts_them_by_hops() -> None:
    svg = tree_picture("T", "alice", {"alice": ["bob", "carol"], "bob": ["dave"]}, [("carol", "dave")], "seed 1")
    assert {"T", "seed 1", "alice", "bob", "carol", "dave", "origin", "1 hop", "2 hops"} <= set(texts(svg))
    assert {"pushed (3)", "announced only (1)"} <= set(texts(svg))
    assert "not reached" not in texts(svg)
    assert count(svg, "circle") == 4


def test_pushes_beside_the_tree_are_told_apart_and_announcements_are_counted_once() -> None:
    eager = {"alice": ["bob", "carol"], "bob": ["carol", "alice"], "carol": []}
    svg = tree_picture("T", "alice", eager, [("bob", "carol"), ("alice", "dave"), ("dave", "alice"), ("dave", "dave")])
    assert {"pushed (2)", "pushed in vain (1)", "announced only (1)"} <= set(texts(svg))


def test_members_that_no_push_reaches_stand_apart() -> None:
    svg = tree_picture("T", "alice", {"alice": ["bob"], "mallory": ["trudy"]})
    assert "not reached" in texts(svg)
    assert {"mallory", "trudy"} <= set(texts(svg))


def test_a_root_alone_and_a_long_chain_and_a_crowd_can_be_drawn() -> None:
    assert count(tree_picture("T", "alice", {}), "circle") == 1
    chain = {str(n): [str(n + 1)] for n in range(2_000)}
    assert count(tree_picture("T", "0", chain), "circle") == 2_001
    crowd = tree_picture("T", "0", {"0": [str(n) for n in range(1, 3_000)]})
    assert "2999" in texts(crowd)  # how many there are; their names have no room
    assert "17" not in texts(crowd)


def test_hostile_members_stay_text() -> None:
    svg = tree_picture(HOSTILE, HOSTILE, {HOSTILE: ["bob"]}, [(HOSTILE, "carol")])
    assert count(svg, "script") == 0
