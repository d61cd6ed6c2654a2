"""Everything that the story moves: registry processes, an observer at each, the fleet and the Orchestrator, with the
scene that the display reads and the waiting that the steps do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import trio

from p2preg.client import ClientError, Watcher
from p2preg.demo.fleet import Fleet, Guest
from p2preg.demo.observer import Observer
from p2preg.demo.processes import RegistryProcess
from p2preg.demo.pulse import Pulse
from p2preg.demo.scene import READY, STARTING, NodeRow, RegistryRow, Scene, ScoreRow
from p2preg.demo.sites import site_of
from p2preg.demo.tree import tree_of

ASK_SECONDS = 0.5  # between two rounds of questions about themselves to all registries
Say = Callable[[float, str, str], None]


class Stage:
    """The world of one demo. `say(seconds, mark, text)` is told of what happens, for a log."""

    def __init__(self, directory: Path, registries: int, nodes: int, seed: int, say: Say) -> None:
        self.scene = Scene()
        self.pulse = Pulse()
        self.node_count = nodes
        self.rng = Random(seed)
        self.scores: dict[str, dict[str, dict[str, Any]]] = {}  # node → registry's name → what qos.get said
        self.watcher: Watcher | None = None  # the Orchestrator's, since it came
        self.drained: Guest | None = None
        self.crashed_at = 0.0
        self._say = say
        self._began = trio.current_time()
        self.fleet = Fleet(self.rng, self.pulse, self.clock)
        self.registries: list[RegistryProcess] = []
        self.observers: list[Observer] = []
        for number in range(registries):
            self._add_registry(directory, number)

    def _add_registry(self, directory: Path, number: int) -> None:
        name, region = f"R{number + 1}", site_of(number).region
        process = RegistryProcess(directory / name, region)
        self.registries.append(process)
        self.scene.registries.append(RegistryRow(name, region))
        self.observers.append(Observer(name, lambda: self.url(number), self.pulse, self.clock))

    def clock(self) -> float:
        """Seconds since the beginning."""
        return trio.current_time() - self._began

    def happen(self, text: str) -> None:
        """The story has done something to the network."""
        self.scene.tell(self.clock(), "story", text)
        self.note("!", text)

    def note(self, mark: str, text: str) -> None:
        """For the log alone: the display shows it elsewhere."""
        self._say(self.clock(), mark, text)

    # --- who plays what -------------------------------------------------------------------------------------------

    @property
    def desk(self) -> int:
        """The registry at which the Orchestrator sits; no Media Node begins there."""
        return len(self.registries) - 1

    @property
    def victim(self) -> int:
        """The registry that is killed."""
        return len(self.registries) - 2

    @property
    def eyes(self) -> list[Observer]:
        """The observers of the registries that are up."""
        return [eye for eye, row in zip(self.observers, self.scene.registries, strict=True) if row.state == READY]

    def url(self, number: int) -> str:
        """Where the registry takes websockets."""
        ready = self.registries[number].ready
        assert ready is not None, "it was started"
        return ready.rpc

    def registry_id(self, number: int) -> str:
        return self.scene.registries[number].registry_id

    def guests_of(self, number: int) -> list[Guest]:
        """The Media Nodes that are registered at this registry."""
        return [guest for guest in self.fleet.guests if guest.home == self.registry_id(number)]

    async def start_registry(self, number: int) -> None:
        """Start it, or start it again. The first has no seed, and all others have only the first."""
        first = self.registries[0].ready
        row = self.scene.registries[number]
        row.state = STARTING
        ready = await self.registries[number].start([first.peer] if number and first is not None else [])
        row.registry_id, row.rpc, row.state = ready.registry_id, ready.rpc, READY
        self.pulse.beat()

    # --- waiting --------------------------------------------------------------------------------------------------

    async def at_all(self, holds: Callable[[Observer], bool], since: float, seconds: float) -> dict[str, float | None]:
        """Wait until it holds at every registry that is up, at most so many seconds; per registry how long after
        `since` it first did, None where it never did."""
        when: dict[str, float | None] = dict.fromkeys((eye.name for eye in self.eyes), None)

        def everywhere() -> bool:
            for eye in self.eyes:
                if when.get(eye.name, 0.0) is None and eye.session is not None and holds(eye):
                    when[eye.name] = self.clock() - since
            return None not in when.values()

        await self.pulse.until(everywhere, seconds)
        return when

    # --- asking ---------------------------------------------------------------------------------------------------

    async def ask_around(self) -> None:
        """Ask every registry about itself, again and again."""
        while True:
            async with trio.open_nursery() as nursery:
                for eye in self.eyes:
                    nursery.start_soon(eye.ask)
                    nursery.start_soon(self._ask_scores, eye)
            await trio.sleep(ASK_SECONDS)

    async def _ask_scores(self, eye: Observer) -> None:
        for node_id, answers in self.scores.items():
            if eye.session is None:
                return
            try:
                answers[eye.name] = await eye.session.call("qos.get", {"node_id": node_id})
            except ClientError:
                answers.pop(eye.name, None)
        self.pulse.beat()

    def watch_score(self, node_id: str, about: str) -> None:
        """From here on ask every registry for the quality of this node, and show it."""
        self.scores[node_id] = {}
        self.scene.scores.append(ScoreRow(node_id, about))

    # --- showing --------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the scene up to date with what the observers know."""
        nodes = next((eye.nodes for eye in self.eyes if eye.synced), {})
        for guest in self.fleet.guests:
            self._refresh_node(guest, nodes.get(guest.node_id))
        for process, row, eye in zip(self.registries, self.scene.registries, self.observers, strict=True):
            row.nodes = sum(node.home == row.registry_id for node in self.scene.nodes.values())
            row.neighbours = eye.info.get("peers", {}).get("active", 0)
            row.heard, row.synced = eye.hears, eye.info.get("synced", False)
            row.memory_mib = process.memory_mib()
        for score in self.scene.scores:
            self._refresh_score(score)
        self._refresh_tree()

    def _refresh_node(self, guest: Guest, shown: Mapping[str, Any] | None) -> None:
        row = self.scene.nodes.setdefault(guest.node_id, NodeRow())
        if shown is not None:
            row.contact, row.state, row.home = shown["contact"], shown["state"], shown["home"]

    def _refresh_score(self, row: ScoreRow) -> None:
        answer = self.scores[row.node_id].get(self.observers[0].name)
        if answer is not None:
            row.reporters = answer["reporters"]
            row.score = answer["score"] if row.reporters else None

    def _refresh_tree(self) -> None:
        """The tree of the first registry, which is never killed."""
        origin = self.scene.registries[0].registry_id[:8]
        eager = {}
        for row, eye in zip(self.scene.registries, self.observers, strict=True):
            trees = eye.info.get("statistics", {}).get("trees", {})
            eager[row.registry_id[:8]] = trees.get(origin, []) if row.state == READY else []
        if any(eager.values()):
            self.scene.tree = tree_of(origin, eager)
