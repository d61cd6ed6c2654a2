"""The display: everything in its place at each size, nothing outside of it, and nothing that jumps."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from p2preg.demo.display import fits, frame
from p2preg.demo.scene import DONE, FAILED, KILLED, READY, RUNNING, NodeRow, RegistryRow, Scene, ScoreRow, StepRow
from p2preg.demo.tree import Branch

SIZES = [(80, 24), (100, 30), (140, 45), (220, 60)]


def a_scene(registries: int = 5, nodes: int = 50) -> Scene:
    scene = Scene(query="region=eu-west")
    for number in range(registries):
        scene.registries.append(RegistryRow(f"R{number + 1}", "eu-west", READY, f"{number:02x}" * 32))
    scene.registries[-1].state = KILLED
    for number in range(nodes):
        home = scene.registries[number % registries].registry_id
        scene.nodes[f"{number:064x}"] = NodeRow("live", "serving", home)
    scene.nodes[f"{0:064x}"].contact = "suspect"
    scene.nodes[f"{1:064x}"].state = "draining"
    scene.steps = [StepRow(f"Step number {number}") for number in range(14)]
    scene.steps[0].status, scene.steps[1].status, scene.steps[2].status = DONE, FAILED, RUNNING
    scene.scores = [ScoreRow("ab" * 32, "good node", 82.0, 12), ScoreRow("cd" * 32, "bad node")]
    scene.tree = Branch("00" * 4, [Branch("01" * 4, [Branch("02" * 4)]), Branch("03" * 4)])
    for number in range(40):
        scene.tell(float(number), "update", f"event {number} " + "of quite some length " * 9)
    return scene


def picture(scene: Scene, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(frame(scene, width, height, 12.5), end="")
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_frame_fills_the_terminal_and_no_more(width: int, height: int) -> None:
    lines = picture(a_scene(), width, height)
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_each_size_shows_all_registries_steps_and_the_latest_event(width: int, height: int) -> None:
    text = "\n".join(picture(a_scene(), width, height))
    for number in range(5):
        assert f"│ R{number + 1} " in text
    for number in range(14):
        assert f"Step number {number}" in text
    assert "event 39" in text
    assert "killed" in text
    assert "● 48 live" in text
    assert "◎ 1 suspect" in text
    assert "82" in text


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_frames_borders_stay_where_they_are_whatever_happens(width: int, height: int) -> None:
    full, empty = picture(a_scene(), width, height), picture(a_scene(nodes=3), width, height)
    corners = [[at for at, mark in enumerate(line) if mark in "╭╮╰╯"] for line in full]
    assert corners == [[at for at, mark in enumerate(line) if mark in "╭╮╰╯"] for line in empty]


def test_what_does_not_fit_is_counted() -> None:
    text = "\n".join(picture(a_scene(registries=20, nodes=500), 100, 30))
    assert "and 12 more" in text
    assert "…" in text


def test_a_large_terminal_draws_the_tree() -> None:
    text = "\n".join(picture(a_scene(), 140, 45))
    assert "├─ R2" in text
    assert "│  ╰─ R3" in text
    assert "╰─ R4" in text


@pytest.mark.parametrize(
    ("width", "height", "terminal", "expected"),
    [(80, 24, True, True), (79, 24, True, False), (80, 23, True, False), (140, 45, False, False)],
)
def test_only_a_terminal_that_is_large_enough_gets_the_display(
    width: int, height: int, terminal: bool, expected: bool
) -> None:
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=terminal, _environ={"TERM": "xterm-256color"}
    )
    assert fits(console) is expected


def test_a_dumb_terminal_gets_lines() -> None:
    console = Console(width=140, height=45, file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert not fits(console)
