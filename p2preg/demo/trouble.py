"""The second half of the story: nodes drain and crash, a registry is killed and comes back, another one is restarted
under the Orchestrator, and nothing is lost."""

from __future__ import annotations

import trio

from p2preg.demo import claims
from p2preg.demo.claims import View, duration
from p2preg.demo.errors import DemoFailed
from p2preg.demo.fleet import Guest
from p2preg.demo.observer import TWO_128
from p2preg.demo.opening import SPREAD_SECONDS
from p2preg.demo.quality import subjects
from p2preg.demo.scene import KILLED, LEAVING
from p2preg.demo.stage import Stage
from p2preg.demo.step import Outcome

NOTICE_SECONDS = 10.0
GRACE_SECONDS = 45.0  # 15 s by design; then the wait for a busy machine
FAILOVER_SECONDS = 30.0
RETURN_SECONDS = 40.0
MOVE_SECONDS = 40.0
CRASHES_PER_NODES = 16
LATE_NODES = 2


def _undisturbed(stage: Stage) -> list[Guest]:
    """Media Nodes whose home will not be killed, without those that users report about."""
    apart = {guest.node_id for guest in (*stage.guests_of(stage.victim), *subjects(stage))}
    return [guest for guest in stage.fleet.running if guest.node_id not in apart]


async def crash_nodes(stage: Stage) -> Outcome:
    """Sockets are cut. Fifteen seconds later the nodes will be given up; the story goes on meanwhile."""
    guests = _undisturbed(stage)[: max(1, stage.node_count // CRASHES_PER_NODES)]
    began = stage.clock()
    for guest in guests:
        stage.happen(f"{guest.label} crashes")
        stage.fleet.crash(guest)
    stage.crashed_at = began
    noticed = await stage.at_all(
        lambda eye: all(eye.contact(guest.node_id) in ("suspect", "expired") for guest in guests), began, NOTICE_SECONDS
    )
    worst = max((value for value in noticed.values() if value is not None), default=NOTICE_SECONDS)
    return Outcome(f"{len(guests)}, {duration(worst)}", (claims.crashed(noticed, len(guests)),))


async def drain_node(stage: Stage) -> Outcome:
    """A node takes no new work any more: every registry stops offering it."""
    guest = next((guest for guest in _undisturbed(stage) if not guest.crashed), None)
    if guest is None:
        raise DemoFailed("a Media Node that could drain was expected to be registered; there is none")
    stage.drained = guest
    with trio.move_on_after(NOTICE_SECONDS):
        await guest.node.drain(reason="maintenance")
    acknowledged = stage.clock()
    stage.happen(f"{guest.label} drains")
    gone = await stage.at_all(lambda eye: not eye.offers(guest.node_id), acknowledged, NOTICE_SECONDS)
    worst = max((value for value in gone.values() if value is not None), default=NOTICE_SECONDS)
    return Outcome(duration(worst), (claims.drained(gone),))


async def kill_registry(stage: Stage) -> Outcome:
    """Kill -9, in the middle of everything. Its nodes go elsewhere by themselves."""
    victim = stage.victim
    row = stage.scene.registries[victim]
    guests = stage.guests_of(victim)
    row.state = KILLED
    began = stage.clock()
    await stage.registries[victim].kill()
    stage.happen(f"{row.name}, home of {len(guests)} nodes, is killed (-9)")

    def moved() -> list[float]:
        homes = [[at for at, home in guest.acknowledged if at > began and home != row.registry_id] for guest in guests]
        return [times[0] - began for times in homes if times]

    await stage.pulse.until(lambda: len(moved()) == len(guests), FAILOVER_SECONDS)
    gone = ("", row.registry_id)
    await stage.at_all(
        lambda eye: not any(eye.home(guest.node_id) in gone for guest in guests), began, SPREAD_SECONDS
    )
    live = min(sum(eye.contact(guest.node_id) == "live" for guest in guests) for eye in stage.eyes)
    figure = f"{len(moved())}, {duration(max(moved(), default=FAILOVER_SECONDS))}"
    return Outcome(figure, (claims.failed_over(len(guests), moved(), live),))


async def restart_registry(stage: Stage, nursery: trio.Nursery) -> Outcome:
    """The killed one starts again from its disk, catches up, and takes registrations at once."""
    victim, eye = stage.victim, stage.observers[stage.victim]
    row = stage.scene.registries[victim]
    before_id, before_epoch = row.registry_id, eye.info.get("epoch", 0)
    began = stage.clock()
    await stage.start_registry(victim)
    stage.happen(f"{row.name} is back")
    await stage.pulse.until(lambda: eye.synced and eye.info.get("epoch", 0) > before_epoch, RETURN_SECONDS)
    late = [stage.fleet.add([stage.url(victim)]) for _ in range(LATE_NODES)]
    await stage.fleet.arrive(nursery, late)
    await stage.at_all(
        lambda each: all(each.home(guest.node_id) == row.registry_id for guest in late), began, RETURN_SECONDS
    )
    seconds = stage.clock() - began
    await in_step(stage)
    back = sum(guest.home == row.registry_id for guest in late)
    epochs = (before_epoch, eye.info.get("epoch", 0))
    claim = claims.came_back(row.registry_id == before_id, epochs, back, len(late), seconds)
    return Outcome(duration(seconds), (claim,))


async def in_step(stage: Stage) -> None:
    """Until every registry that is up hears every other one, is synced, and shows the same as the others."""
    others = len(stage.eyes) - 1

    def is_so() -> bool:
        steady = all(eye.synced and eye.hears >= others and eye.info.get("synced") for eye in stage.eyes)
        return steady and claims.agree([eye.view for eye in stage.eyes])

    await stage.pulse.until(is_so, RETURN_SECONDS)


async def move_orchestrator(stage: Stage) -> Outcome:
    """The Orchestrator's registry is stopped for an upgrade. It goes on at another one, with what it holds, and learns
    what happened while it was between the two."""
    desk, guest, watcher = stage.desk, stage.drained, stage.watcher
    if guest is None or watcher is None:
        raise DemoFailed("a drained Media Node and a watching Orchestrator were expected; one is missing")
    row = stage.scene.registries[desk]
    left_url = watcher.url
    row.state = LEAVING
    stage.happen(f"{row.name}, the Orchestrator's own, is restarted")
    began = stage.clock()

    def is_there() -> bool:
        seen = watcher.nodes.get(guest.node_id, {}).get("state") == "serving"
        is_elsewhere = watcher.synced and watcher.url != left_url
        return is_elsewhere and seen and claims.agree([own_view(stage), stage.eyes[0].view])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.registries[desk].stop)
        await stage.pulse.until(lambda: watcher.url != left_url, MOVE_SECONDS)
        with trio.move_on_after(NOTICE_SECONDS):
            await guest.node.resume()
        stage.happen(f"{guest.label} is back in service")
        arrived = await stage.pulse.until(is_there, MOVE_SECONDS)
        seconds = stage.clock() - began
    claim = claims.resumed(seconds if arrived else None, own_view(stage), stage.eyes[0].view)
    await stage.start_registry(desk)
    return Outcome(duration(seconds), (claim,))


def own_view(stage: Stage) -> View:
    """What the Orchestrator itself holds, with the digest that it computes."""
    nodes = stage.watcher.nodes if stage.watcher is not None else {}
    total = sum(int(node["version"], 16) for node in nodes.values()) % TWO_128
    return View("Orchestrator", len(nodes), f"{total:032x}")


async def expire_crashed(stage: Stage) -> Outcome:
    """The grace is over: every registry has given the crashed nodes up."""
    crashed = [guest.node_id for guest in stage.fleet.guests if guest.crashed]
    began = stage.crashed_at
    await stage.at_all(lambda eye: all(eye.contact(node) == "expired" for node in crashed), began, GRACE_SECONDS)
    seconds: dict[str, float | None] = {}
    for eye in stage.eyes:
        times = [eye.first_contact[node, "expired"] for node in crashed if (node, "expired") in eye.first_contact]
        seconds[eye.name] = max(times) - began if len(times) == len(crashed) else None
    known = [value for value in seconds.values() if value is not None]
    return Outcome(duration(min(known)) if known else "–", (claims.expired(seconds, len(crashed)),))
