"""What there is to see: registries, Media Nodes, events, scores and the steps of the story. The story writes it, the
display and the plain log read it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from p2preg.demo.tree import Branch

EVENTS_SHOWN_MAX = 100

STARTING, READY, KILLED, LEAVING, STOPPED = "starting", "ready", "killed", "leaving", "stopped"  # of a registry
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"  # of a step


@dataclass(slots=True)
class RegistryRow:
    """One registry process."""

    name: str
    region: str
    state: str = STARTING
    registry_id: str = ""
    rpc: str = ""
    neighbours: int = 0
    heard: int = 0
    nodes: int = 0
    synced: bool = False
    memory_mib: float | None = None


@dataclass(slots=True)
class NodeRow:
    """One Media Node, as the network sees it."""

    contact: str = ""
    state: str = ""
    home: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """A line for the log: something that the Orchestrator was told, or that the story did."""

    at: float
    kind: str
    text: str


@dataclass(slots=True)
class ScoreRow:
    """The quality of one Media Node, as any registry tells it."""

    node_id: str
    about: str
    score: float | None = None
    reporters: int = 0


@dataclass(slots=True)
class StepRow:
    """One step of the story, and what came of it."""

    title: str
    status: str = WAITING
    said: str = ""
    began: float = 0.0


@dataclass(slots=True)
class Scene:
    """Everything that is shown. Moments are seconds since the beginning."""

    registries: list[RegistryRow] = field(default_factory=list)
    nodes: dict[str, NodeRow] = field(default_factory=dict)
    events: deque[Happening] = field(default_factory=lambda: deque(maxlen=EVENTS_SHOWN_MAX))
    scores: list[ScoreRow] = field(default_factory=list)
    steps: list[StepRow] = field(default_factory=list)
    tree: Branch | None = None
    query: str = ""  # the Orchestrator's standing question
    footer: str = "Ctrl-C ends it and leaves nothing behind"

    def tell(self, at: float, kind: str, text: str) -> None:
        """One more line for the log; the oldest go."""
        self.events.append(Happening(at, kind, text))

    def registry_name(self, registry_id: str) -> str:
        """The demo's name of a registry, from its id or the beginning of it."""
        if not registry_id:
            return "–"
        return next((row.name for row in self.registries if row.registry_id.startswith(registry_id)), registry_id[:8])
