"""The story: its steps in order, each with a deadline inside, and the claims that they leave behind."""

from __future__ import annotations

from functools import partial

import trio

from p2preg.client import ClientError
from p2preg.demo import ending, opening, orchestrator, quality, trouble
from p2preg.demo.claims import Claim
from p2preg.demo.errors import DemoFailed
from p2preg.demo.scene import DONE, FAILED, RUNNING, StepRow
from p2preg.demo.stage import Stage
from p2preg.demo.step import Outcome, Step


def script(nursery: trio.Nursery, *, keep: bool) -> list[Step]:
    """The steps. What goes on beside them runs in `nursery`."""
    return [
        Step("Registries start", opening.start_registries, fatal=True),
        Step("They form a network", partial(_begin_watching, nursery=nursery), fatal=True),
        Step("Media Nodes register", partial(_register, nursery=nursery), fatal=True),
        Step("The Orchestrator discovers", opening.discover),
        Step("Some nodes crash", trouble.crash_nodes),
        Step("One node drains", trouble.drain_node),
        Step("Users report quality", quality.honest_reports),
        Step("Liars report, too", quality.lies),
        Step("A registry is killed (-9)", trouble.kill_registry),
        Step("It comes back", partial(trouble.restart_registry, nursery=nursery)),
        Step("The Orchestrator moves", trouble.move_orchestrator),
        Step("The crashed nodes expire", trouble.expire_crashed),
        Step("All registries agree", ending.agree),
        *([] if keep else [Step("Everybody leaves", ending.leave)]),
    ]


async def _begin_watching(stage: Stage, nursery: trio.Nursery) -> Outcome:
    for eye in stage.observers:
        nursery.start_soon(eye.run)
    nursery.start_soon(stage.ask_around)
    outcome = await opening.form_network(stage)
    nursery.start_soon(orchestrator.watch, stage)
    return outcome


async def _register(stage: Stage, nursery: trio.Nursery) -> Outcome:
    outcome = await opening.register_fleet(stage, nursery)
    nursery.start_soon(stage.fleet.vary_loads)
    return outcome


async def play(stage: Stage, steps: list[Step], least: float) -> list[Claim]:
    """Play the steps one after the other, each for at least so many seconds; what was proven. A step that fails leaves
    a claim that does not hold."""
    stage.scene.steps = [StepRow(step.title) for step in steps]
    proven: list[Claim] = []
    for step, row in zip(steps, stage.scene.steps, strict=True):
        row.status, row.began = RUNNING, stage.clock()
        outcome = await _attempt(stage, step)
        proven += outcome.claims
        row.said = outcome.figure
        row.status = DONE if all(claim.holds for claim in outcome.claims) else FAILED
        _log(stage, step, outcome)
        if row.status == FAILED and step.fatal:
            proven.append(Claim("the rest of the story", False, f"expected to be played; {step.title!r} failed"))
            break
        await trio.sleep_until(trio.current_time() + row.began + least - stage.clock())
    return proven


async def _attempt(stage: Stage, step: Step) -> Outcome:
    failures: list[BaseException] = []
    outcome: Outcome | None = None
    try:
        outcome = await step.play(stage)
    except* (DemoFailed, ClientError) as group:
        failures = leaves(group)
    if outcome is not None:
        return outcome
    return Outcome("failed", (Claim(step.title, False, "; ".join(map(str, failures))),))


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The exceptions in a group, whatever its nesting."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _log(stage: Stage, step: Step, outcome: Outcome) -> None:
    if not outcome.claims:
        stage.note("✓", f"{step.title}: {outcome.figure}")
    for claim in outcome.claims:
        stage.note("✓" if claim.holds else "✗", f"{claim.name}: {claim.said}")
