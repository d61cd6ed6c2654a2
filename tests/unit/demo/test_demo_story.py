"""Playing steps: what fails leaves a claim, and the story goes on as far as it can."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from p2preg.client import CannotConnect
from p2preg.demo import processes
from p2preg.demo.claims import Claim
from p2preg.demo.errors import DemoFailed
from p2preg.demo.opening import matches, start_registries
from p2preg.demo.orchestrator import describe
from p2preg.demo.scene import DONE, FAILED, WAITING
from p2preg.demo.stage import Stage
from p2preg.demo.step import Outcome, Step
from p2preg.demo.story import play, script

PROVEN = Claim("alice is seen", True, "by all")
BROKEN = Claim("bob is seen", False, "expected everywhere; saw nowhere")


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, registries=3, nodes=4, seed=1, say=lambda seconds, mark, text: None)


def step(title: str, *claims: Claim, fatal: bool = False) -> Step:
    async def play_it(stage: Stage) -> Outcome:
        return Outcome("ok", claims)

    return Step(title, play_it, fatal)


def failing(title: str, error: Exception, *, fatal: bool = False) -> Step:
    async def play_it(stage: Stage) -> Outcome:
        async with trio.open_nursery():
            raise error

    return Step(title, play_it, fatal)


async def test_the_claims_of_all_steps_come_in_order(stage: Stage) -> None:
    assert await play(stage, [step("one", PROVEN), step("two"), step("three", BROKEN)], 0.0) == [PROVEN, BROKEN]
    assert [row.status for row in stage.scene.steps] == [DONE, DONE, FAILED]


async def test_a_step_that_cannot_ask_leaves_a_broken_claim_and_the_story_goes_on(stage: Stage) -> None:
    steps = [failing("one", CannotConnect("ws://x/: refused")), step("two", PROVEN)]
    assert await play(stage, steps, 0.0) == [Claim("one", False, "ws://x/: refused"), PROVEN]


async def test_after_a_fatal_failure_the_rest_counts_as_broken(stage: Stage) -> None:
    steps = [failing("one", DemoFailed("no ready line"), fatal=True), step("two", PROVEN)]
    assert await play(stage, steps, 0.0) == [
        Claim("one", False, "no ready line"),
        Claim("the rest of the story", False, "expected to be played; 'one' failed"),
    ]
    assert [row.status for row in stage.scene.steps] == [FAILED, WAITING]


async def test_a_step_lasts_as_long_as_a_person_needs(stage: Stage, autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    await play(stage, [step("one"), step("two")], 1.5)
    assert trio.current_time() - began == pytest.approx(3.0)


async def test_who_stays_does_not_say_goodbye() -> None:
    async with trio.open_nursery() as nursery:
        assert len(script(nursery, keep=False)) == len(script(nursery, keep=True)) + 1
        assert max(len(each.title) for each in script(nursery, keep=False)) <= 30


async def test_a_registry_that_does_not_start_shows_the_end_of_its_log(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = (sys.executable, "-c", "import sys; print('the port is taken', file=sys.stderr); sys.exit(3)")
    monkeypatch.setattr(processes, "_COMMAND", dying)
    [broken, _] = await play(stage, [Step("Registries start", start_registries, fatal=True)], 0.0)
    assert broken.name == "Registries start"
    assert "a ready line was expected of R1" in broken.said
    assert "the port is taken" in broken.said
    await processes.end_all(stage.registries)


async def test_something_else_than_a_ready_line_is_shown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_COMMAND", (sys.executable, "-c", "print('hello')"))
    with pytest.raises(DemoFailed, match="got b'hello'"):
        await stage.start_registry(0)
    await processes.end_all(stage.registries)


async def test_the_same_seed_makes_the_same_keys(stage: Stage, tmp_path: Path) -> None:
    other = Stage(tmp_path, registries=3, nodes=4, seed=1, say=lambda seconds, mark, text: None)
    urls = ["ws://127.0.0.1:1/"]
    assert [stage.fleet.add(urls).node_id for _ in range(4)] == [other.fleet.add(urls).node_id for _ in range(4)]


async def test_the_question_is_answered_by_looking_at_the_attributes(stage: Stage) -> None:
    guest = stage.fleet.add(["ws://127.0.0.1:1/"])
    assert matches(guest)
    guest.load = 0.7
    assert not matches(guest)
    guest.load = 0.6996  # is told as 0.7
    assert not matches(guest)


def test_an_update_says_what_is_new() -> None:
    before = {"city": "Paris", "kind": "sfu", "state": "serving", "contact": "live", "home": "aa"}
    assert describe(before, None, "R1") == "Paris, sfu at R1"
    assert describe(before | {"contact": "suspect"}, before, "R1") == "Paris, live → suspect"
    assert describe(before | {"state": "draining", "home": "bb"}, before, "R2") == (
        "Paris, serving → draining, moved to R2"
    )
