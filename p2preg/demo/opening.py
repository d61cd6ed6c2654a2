"""The first half of the story: registries find each other, Media Nodes register, the Orchestrator finds them."""

from __future__ import annotations

from typing import Any

import trio

from p2preg.demo import claims
from p2preg.demo.claims import Claim, duration
from p2preg.demo.errors import DemoFailed
from p2preg.demo.fleet import Guest
from p2preg.demo.observer import Observer
from p2preg.demo.stage import Stage
from p2preg.demo.step import Outcome
from p2preg.index.text import parse_text

QUERY = "region=eu-west codecs=video/AV1 load<0.7"
FORM_SECONDS = 30.0
REGISTER_SECONDS = 30.0
SPREAD_SECONDS = 15.0


async def start_registries(stage: Stage) -> Outcome:
    """The first alone, because its port is the others' seed; then all others at once."""
    began = stage.clock()
    await stage.start_registry(0)
    async with trio.open_nursery() as nursery:
        for number in range(1, len(stage.registries)):
            nursery.start_soon(stage.start_registry, number)
    return Outcome(f"{len(stage.registries)} in {duration(stage.clock() - began)}")


async def form_network(stage: Stage) -> Outcome:
    """From here on observers watch; the network is formed when each registry hears all others and is synced."""
    began = stage.clock()
    others = len(stage.registries) - 1

    def is_formed() -> bool:
        return all(eye.hears == others and eye.info.get("synced") and eye.synced for eye in stage.observers)

    await stage.pulse.until(is_formed, FORM_SECONDS)
    seconds = stage.clock() - began
    hears = {eye.name: eye.hears for eye in stage.observers}
    synced = {eye.name: bool(eye.info.get("synced")) for eye in stage.observers}
    return Outcome(duration(seconds), (claims.formed(hears, synced, seconds),))


async def register_fleet(stage: Stage, nursery: trio.Nursery) -> Outcome:
    """Media Nodes register at all registries but the Orchestrator's."""
    homes = range(stage.desk)
    for number in range(stage.node_count):
        first = number % len(homes)
        others = [stage.url(home) for home in homes if home != first]
        turn = number // len(homes) % len(others)  # so that the guests of one home do not all flee to the same one
        stage.fleet.add([stage.url(first), *others[turn:], *others[:turn]])
    await stage.fleet.arrive(nursery, stage.fleet.guests)
    guests = stage.fleet.guests
    await stage.pulse.until(lambda: all(guest.acknowledged or guest.error for guest in guests), REGISTER_SECONDS)
    refused = [f"{guest.label}: {guest.error}" for guest in guests if guest.error]
    if refused:
        raise DemoFailed(f"{len(refused)} Media Nodes gave up, the first: {refused[0]}")
    for guest in guests:
        nursery.start_soon(stage.fleet.tell_load, guest)
    acknowledged = [guest for guest in guests if guest.acknowledged]
    node_ids = [guest.node_id for guest in acknowledged]
    await stage.at_all(lambda eye: all(node_id in eye.nodes for node_id in node_ids), stage.clock(), SPREAD_SECONDS)
    await stage.pulse.until(lambda: claims.agree([eye.view for eye in stage.eyes]), SPREAD_SECONDS)
    delays = visible_delays(acknowledged, stage.eyes)
    figure = f"{len(acknowledged)}, {duration(max(delays))}" if delays else str(len(acknowledged))
    return Outcome(figure, (everywhere(acknowledged, stage), claims.visible_soon(delays)))


def everywhere(acknowledged: list[Guest], stage: Stage) -> Claim:
    """Every acknowledged registration is shown by every registry."""
    shown = {eye.name: eye.nodes for eye in stage.eyes}
    views = [eye.view for eye in stage.eyes]
    return claims.visible_everywhere([guest.node_id for guest in acknowledged], shown, views)


def visible_delays(guests: list[Guest], eyes: list[Observer]) -> list[float]:
    """Per Media Node, from the acknowledgement of its registration until the last registry showed it."""
    delays = []
    for guest in guests:
        seen = [eye.first_seen[guest.node_id] for eye in eyes if guest.node_id in eye.first_seen]
        if len(seen) == len(eyes):
            delays.append(max(0.0, max(seen) - guest.acknowledged[0][0]))
    return delays


async def discover(stage: Stage) -> Outcome:
    """Ask every registry the Orchestrator's question, and compare with what the attributes say. Loads stand still for
    that moment, so that there is one right answer."""
    stage.fleet.steady = True
    wanted = sorted(guest.node_id for guest in stage.fleet.guests if matches(guest))
    guests = stage.fleet.guests
    await stage.at_all(lambda eye: all(shows_load(eye, guest) for guest in guests), stage.clock(), SPREAD_SECONDS)
    answers = {}
    tree = parse_text(QUERY)
    for eye in stage.eyes:
        if eye.session is not None:
            page = await eye.session.call("nodes.list", {"filter": tree, "fields": ["region"], "limit": 1000})
            answers[eye.name] = [str(node["node_id"]) for node in page["nodes"]]
    stage.fleet.steady = False
    best = await best_of(stage, tree)
    stage.scene.tell(stage.clock(), "select", best)
    stage.note(" ", f"{QUERY}: {best}")
    return Outcome(f"{len(wanted)} of {len(stage.fleet.guests)}", (claims.discovered(QUERY, wanted, answers),))


async def best_of(stage: Stage, tree: dict[str, object]) -> str:
    """Which node the Orchestrator would take now, in words."""
    session = stage.observers[stage.desk].session
    if session is None:
        raise DemoFailed("the Orchestrator's registry was expected to answer; its connection is lost")
    selected = await session.call("nodes.select", {"filter": tree, "policy": "least_loaded"})
    if not selected["candidates"]:
        return "no node fits"
    best: dict[str, Any] = selected["candidates"][0]["node"]
    return f"chosen: {best['node_id'][:8]} {best['city']}, load {best['load']['load']:.2f}"


def matches(guest: Guest) -> bool:
    """The question, answered by looking at one node."""
    attributes = guest.attributes
    return attributes["region"] == "eu-west" and "video/AV1" in attributes["codecs"] and round(guest.load, 3) < 0.7


def shows_load(eye: Observer, guest: Guest) -> bool:
    """Whether the registry knows the node's latest load."""
    node = eye.nodes.get(guest.node_id)
    return node is not None and node.get("load", {}).get("load") == round(guest.load, 3)
