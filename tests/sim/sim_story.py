"""A simulated world that is told what to do by the lines of a transcript.

docs/simulation.md, Transcripts, says what the commands are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from sim_telling_world import StoryStranger, TellingWorld

from p2preg.broadcast.batch import LOAD, Page, sign_batch
from p2preg.sim import differing
from p2preg.sim.client import SimClient
from p2preg.sim.media import MediaNode
from p2preg.sim.subscriber import Subscriber
from p2preg.wire.messages import Gossip, Neighbor

UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}

COMMANDS: list[tuple[re.Pattern[str], str]] = []


def command(pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The method carries out a line that matches."""

    def enter(method: Callable[..., None]) -> Callable[..., None]:
        COMMANDS.append((re.compile(pattern), method.__name__))
        return method

    return enter


class Story(TellingWorld):
    """`do` carries out a line."""

    def __init__(self) -> None:
        super().__init__()
        self._subscribers: dict[str, Subscriber] = {}

    def do(self, line: str) -> list[str]:
        """Carry out the commands of a line; what happens meanwhile."""
        self.lines = []
        for each in line.split(";"):
            self._do(each.strip())
        return self.lines

    def _do(self, line: str) -> None:
        for pattern, name in COMMANDS:
            if found := pattern.fullmatch(line):
                getattr(self, name)(**found.groupdict())
                return
        raise ValueError(f"no command: {line!r}")

    # --- commands: registries -----------------------------------------------------------------------------------

    @command(r"tell (?P<topics>.+)")
    def _tell_topics(self, topics: str) -> None:
        self._topics = dict.fromkeys(topics.split())

    @command(r"registry (?P<name>\w+)(?: knows (?P<seeds>[\w ]+))?")
    def _registry(self, name: str, seeds: str | None) -> None:
        host = self.add_registry(*self.hosts_of(seeds or ""), start=False)
        self._names[host.name] = name
        self._enter(name, host)
        host.start()

    @command(r"network (?P<names>[\w ]+)")
    def _network_of(self, names: str) -> None:
        """A network that has formed before the story begins, and whose heartbeats have been heard."""
        first, *others = names.split()
        self._registry(first, None)
        for name in others:
            self._registry(name, first)
        self.run_until(lambda: all(len(host.node.overlay.neighbours) == len(others) for host in self.hosts), 30.0)
        self.run(30.0)
        self.run(math.ceil(self.now) - self.now)
        self._began = self.now
        self.lines = []

    @command(r"run (?P<number>[\d.]+) (?P<unit>\w+)")
    def _run_for(self, number: str, unit: str) -> None:
        self.run(float(number) * UNITS[unit])

    @command(r"start (?P<name>\w+)")
    def _start(self, name: str) -> None:
        self.host(name).start()

    @command(r"stop (?P<name>\w+)")
    def _stop(self, name: str) -> None:
        self.host(name).stop()

    @command(r"crash (?P<name>\w+)(?P<silent> silently)?")
    def _crash(self, name: str, silent: str | None) -> None:
        self.host(name).crash(silent=silent is not None)

    # --- commands: the network between them ---------------------------------------------------------------------

    @command(r"cut (?P<left>[\w ]+) \| (?P<right>[\w ]+)")
    def _cut(self, left: str, right: str) -> None:
        self.partition(self.hosts_of(left), self.hosts_of(right))

    @command(r"heal")
    def _heal(self) -> None:
        self.heal()

    @command(r"lose pushes (?P<sender>\w+) -> (?P<receiver>\w+)")
    def _lose(self, sender: str, receiver: str) -> None:
        path = self.host(sender).id, self.host(receiver).id
        self.story_network.losing[path] = f"{sender} -> {receiver}"

    @command(r"lose no pushes")
    def _lose_nothing(self) -> None:
        self.story_network.losing.clear()

    # --- commands: nodes and clients ----------------------------------------------------------------------------

    @command(r"node (?P<name>\w+) at (?P<home>\w+)")
    def _node(self, name: str, home: str) -> None:
        node = self.add_node()
        self._enter(name, node)
        self._attach(name, home)

    @command(r"(?P<name>\w+) moves to (?P<home>\w+)")
    def _attach(self, name: str, home: str) -> None:
        self._opening = name
        node = self.people[name]
        assert isinstance(node, MediaNode)
        node.attach(self.host(home))

    @command(r"(?P<name>\w+) falls silent")
    def _fall_silent(self, name: str) -> None:
        self._client(name).fall_silent()

    @command(r"(?P<name>\w+) loses its socket")
    def _lose_socket(self, name: str) -> None:
        self._client(name).close()

    @command(r"client (?P<name>\w+) at (?P<home>\w+)")
    def _add_client(self, name: str, home: str) -> None:
        self._opening = name
        self._enter(name, self.add_client(self.host(home)))

    @command(r"(?P<name>\w+) calls (?P<method>[\w.]+)(?: (?P<params>\{.*\}))?")
    def _call(self, name: str, method: str, params: str | None) -> None:
        self._client(name).send(method, **self._params(params))

    @command(r"(?P<name>\w+) subscribes(?: (?P<params>\{.*\}))?")
    def _subscribe(self, name: str, params: str | None) -> None:
        self._subscribers[name] = Subscriber()
        self._client(name).subscribe_nowait(self._subscribers[name], **self._params(params))

    @command(r"(?P<name>\w+) resumes what (?P<before>\w+) held")
    def _resume(self, name: str, before: str) -> None:
        self._subscribers[name] = Subscriber()
        self._client(name).subscribe_nowait(self._subscribers[name], self._subscribers[before])

    def _params(self, text: str | None) -> dict[str, Any]:
        """JSON, in which names stand for ids."""
        for identity, name in self.words.names.items():
            text = text and text.replace(f'"{name}"', f'"{identity.hex()}"')
        params: dict[str, Any] = msgspec.json.decode(text or "{}")
        return params

    def _client(self, name: str) -> SimClient:
        person = self.people[name]
        client = person.client if isinstance(person, MediaNode) else person
        assert isinstance(client, SimClient)
        return client

    # --- commands: a stranger -----------------------------------------------------------------------------------

    @command(r"stranger (?P<name>\w+) dials (?P<host>\w+)")
    def _stranger(self, name: str, host: str) -> None:
        if name not in self.people:
            self._enter(name, StoryStranger(name, self))
        self.people[name].dial(self.host(host))

    @command(r"(?P<name>\w+) asks (?P<host>\w+) to be its neighbour")
    def _ask_neighbour(self, name: str, host: str) -> None:
        self.people[name].say(self.host(host), Neighbor(0))

    @command(r"(?P<name>\w+) pushes to (?P<to>\w+) a batch of (?P<origin>\w+) that it signed itself")
    def _forge(self, name: str, to: str, origin: str) -> None:
        stranger, victim = self.people[name], self.host(origin)
        clock = stranger.clock
        batch = sign_batch(
            stranger.key,
            network=self.network_file.network,
            epoch=int(victim.disk.values["epoch"]),
            counter=1_000,
            issued_ms=clock.now_ms,
            uptime_ms=1_000,
            interval_ms=5_000,
            pages=[Page(LOAD, stranger.id, {})],
        )
        forged = batch.raw.replace(stranger.id, victim.id, 1)
        stranger.say(self.host(to), Gossip(forged))

    # --- commands: how things stand -----------------------------------------------------------------------------

    @command(r"who is shown")
    def _who_is_shown(self) -> None:
        for host in self.running:
            entries = [
                f"{self.words.name(entry.node_id)} {entry.contact} at {self.words.name(entry.home)}"
                for entry in host.node.registry.directory
            ]
            self._show(f"{self._names[host.name]} shows {', '.join(sorted(entries)) or 'nobody'}")

    @command(r"neighbours")
    def _neighbours(self) -> None:
        for host in self.running:
            self._show(f"{self._names[host.name]} has {self._sorted(host.node.overlay.neighbours)}")

    @command(r"tree of (?P<name>\w+)")
    def _tree(self, name: str) -> None:
        origin = self.host(name).id
        for host in self.running:
            broadcast = host.node.broadcast
            eager, lazy = self._sorted(broadcast.eager(origin)), self._sorted(broadcast.lazy(origin))
            self._show(f"{self._names[host.name]} pushes to {eager}; announces to {lazy}")

    @command(r"what differs")
    def _what_differs(self) -> None:
        self._show(f"{len(differing(self.running))} keys differ")

    def _sorted(self, identities: Iterable[bytes]) -> str:
        return ", ".join(sorted(map(self.words.name, identities))) or "nobody"
