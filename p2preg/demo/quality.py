"""The part of the story about quality: honest users tell a good node from a bad one, and liars do not change that."""

from __future__ import annotations

from p2preg.demo import claims
from p2preg.demo.fleet import Guest
from p2preg.demo.reporters import BAD, GOOD, report_all
from p2preg.demo.stage import Stage
from p2preg.demo.step import Outcome

HONEST, LIARS = 9, 3
REPORTED_AT_MAX = 3  # registries, so that at each of them the honest outvote the liars
SHOWN_SECONDS = 20.0  # 15 s are promised
GOOD_NUMBER, BAD_NUMBER = 0, 1  # of the Media Nodes; neither crashes nor drains


def subjects(stage: Stage) -> tuple[Guest, Guest]:
    """The good node and the bad one."""
    return stage.fleet.guests[GOOD_NUMBER], stage.fleet.guests[BAD_NUMBER]


async def honest_reports(stage: Stage) -> Outcome:
    """Users of both nodes say at several registries what they measured."""
    good, bad = subjects(stage)
    stage.watch_score(good.node_id, "good node")
    stage.watch_score(bad.node_id, "bad node")
    began = stage.clock()
    await _report(stage, HONEST, {good.node_id: GOOD, bad.node_id: BAD})
    seconds = await _shown_everywhere(stage, HONEST, began)
    scores = {guest.node_id: _scores(stage, guest) for guest in (good, bad)}
    worst_good = min(scores[good.node_id], default=0.0)
    best_bad = max(scores[bad.node_id], default=100.0)
    return Outcome(f"{worst_good:.0f} and {best_bad:.0f}", (claims.scored(worst_good, best_bad, seconds),))


async def lies(stage: Stage) -> Outcome:
    """A minority says the contrary of both nodes."""
    good, bad = subjects(stage)
    before = {guest.node_id: _scores(stage, guest) for guest in (good, bad)}
    began = stage.clock()
    await _report(stage, LIARS, {good.node_id: BAD, bad.node_id: GOOD})
    seconds = await _shown_everywhere(stage, HONEST + LIARS, began)
    moves = []
    if None not in seconds.values():
        for guest in (good, bad):
            old = before[guest.node_id]
            moves += [score - old[0] for score in _scores(stage, guest) if old]
    figure = f"{max(moves, key=abs):+.1f}" if moves else "–"
    return Outcome(figure, (claims.withstood(LIARS, HONEST + LIARS, moves),))


async def _report(stage: Stage, count: int, about: dict[str, dict[str, float]]) -> None:
    urls = [stage.url(number) for number in range(min(stage.desk, REPORTED_AT_MAX))]
    await report_all(urls, count, about, stage.rng)


async def _shown_everywhere(stage: Stage, reporters: int, since: float) -> dict[str, float | None]:
    """Until every registry counts so many reporters for both nodes."""

    def counted(name: str) -> bool:
        return all(answers.get(name, {}).get("reporters") == reporters for answers in stage.scores.values())

    return await stage.at_all(lambda eye: counted(eye.name), since, SHOWN_SECONDS)


def _scores(stage: Stage, guest: Guest) -> list[float]:
    """What each registry says of a node."""
    return [answer["score"] for answer in stage.scores[guest.node_id].values() if answer["reporters"]]
