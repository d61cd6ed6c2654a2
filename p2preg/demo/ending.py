"""The end of the story: do all still agree, what did it cost, and does everybody leave as they should."""

from __future__ import annotations

import trio

from p2preg.demo import claims
from p2preg.demo.claims import duration
from p2preg.demo.fleet import Guest
from p2preg.demo.opening import SPREAD_SECONDS
from p2preg.demo.scene import STOPPED
from p2preg.demo.stage import Stage
from p2preg.demo.step import Outcome
from p2preg.demo.trouble import in_step, own_view

GOODBYE_SECONDS = 15.0


async def agree(stage: Stage) -> Outcome:
    """After all of this every registry, and the Orchestrator, hold the same; no node that runs is missing anywhere."""
    await in_step(stage)
    running = [guest for guest in stage.fleet.guests if not guest.crashed]
    await stage.at_all(lambda eye: all(eye.offers(guest.node_id) for guest in running), stage.clock(), SPREAD_SECONDS)
    await stage.pulse.until(lambda: claims.agree([own_view(stage), *(eye.view for eye in stage.eyes)]), SPREAD_SECONDS)
    lost = {guest.node_id for eye in stage.eyes for guest in running if not eye.offers(guest.node_id)}
    views = [own_view(stage), *(eye.view for eye in stage.eyes)]
    mib = {eye.name: process.memory_mib() for eye, process in zip(stage.observers, stage.registries, strict=True)}
    verdict = claims.nobody_lost(len(running), len(lost), views)
    return Outcome(f"{views[0].digest[:8]}", (verdict, claims.memory(mib)))


async def leave(stage: Stage) -> Outcome:
    """Media Nodes say goodbye, and registries are asked to stop."""
    began = stage.clock()
    leaving = [guest for guest in stage.fleet.guests if not guest.crashed]
    async with trio.open_nursery() as nursery:
        for guest in leaving:
            nursery.start_soon(guest.node.leave, "the demo is over")
    await stage.at_all(lambda eye: not any(eye.offers(guest.node_id) for guest in leaving), began, GOODBYE_SECONDS)
    told = min(_stopped(leaving, stage, number) for number in range(len(stage.observers)))
    codes: dict[str, int | None] = {}

    async def stop(number: int) -> None:
        row = stage.scene.registries[number]
        codes[row.name] = await stage.registries[number].stop()
        row.state = STOPPED

    stopping = stage.clock()
    async with trio.open_nursery() as nursery:
        for number in range(len(stage.registries)):
            nursery.start_soon(stop, number)
    seconds = stage.clock() - stopping
    return Outcome(duration(seconds), (claims.farewell(told, len(leaving)), claims.left(codes, seconds)))


def _stopped(guests: list[Guest], stage: Stage, number: int) -> int:
    """How many of the nodes this registry knows to have left."""
    nodes = stage.observers[number].nodes
    return sum(nodes.get(guest.node_id, {}).get("state") == "stopped" for guest in guests)
