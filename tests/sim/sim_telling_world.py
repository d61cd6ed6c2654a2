"""A simulated world that tells what happens as the lines of a transcript.

docs/simulation.md, Transcripts, says what is left out."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from sim_telling import Words

from p2preg.base.events import Received
from p2preg.node.events import DialFailed, LinkDown, LinkUp
from p2preg.registry.effects import Fail, Notify, Reply
from p2preg.registry.events import Call, SessionClosed, SessionSilent
from p2preg.sim import World, check_host
from p2preg.sim.client import SimClient
from p2preg.sim.clock import WallClock
from p2preg.sim.host import Answer, Host
from p2preg.sim.network import Network
from p2preg.sim.stranger import Stranger
from p2preg.sim.trace import Trace
from p2preg.wire.messages import Gossip, Message

LATENCY = 0.01  # seconds one way, between any two registries: times are easy to follow
LOGINS = ("session.hello", "session.authenticate")
Tell = Callable[[str, str, str], None]  # topic, who, what


class Recorder(Trace):
    """Passes on what a registry is given."""

    def __init__(self, heard: Callable[[str, object], None]) -> None:
        super().__init__()
        self._heard = heard

    def note(self, now: float, who: str, what: object) -> None:
        super().note(now, who, what)
        self._heard(who, what)


class StoryNetwork(Network):
    """Loses the pushes that the story says. `learn` is shown every message that is sent."""

    def __init__(self, world: World, learn: Callable[[Message], None], tell: Tell) -> None:
        super().__init__(world.agenda, Random("story"), (LATENCY, LATENCY), codec=True)
        self.losing: dict[tuple[bytes, bytes], str] = {}  # (from, to): how the path is called
        self._learn = learn
        self._tell = tell

    def send(self, sender: Any, receiver: bytes, message: Message) -> None:
        self._learn(message)
        path = self.losing.get((sender.id, receiver))
        if path is not None and isinstance(message, Gossip):
            self._tell("spreading", path, "a Gossip is lost")
        else:
            super().send(sender, receiver, message)


class StoryStranger(Stranger):
    """Tells what it is sent."""

    def __init__(self, name: str, world: TellingWorld) -> None:
        self._story = world
        self._name = name
        self.clock = WallClock(world.agenda)
        super().__init__(world.key(name), "10.255.0.1:4010", world.network_file, world.network, self.clock)

    def post(self, event: object) -> None:
        super().post(event)
        self._story.tell_event(self._name, event)


class TellingWorld(World):
    """`lines`: what was told since they were last taken."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed, latency=(LATENCY, LATENCY))
        self.trace = Recorder(self._on_event)
        self.words = Words(self.network_file)
        self.story_network = StoryNetwork(self, self.words.learn, self.tell)
        self.network = self.story_network
        self.people: dict[str, Any] = {}  # a Host, MediaNode, SimClient or StoryStranger by its name
        self.lines: list[str] = []
        self._after_event = self._look
        self._topics: dict[str, None] = {}
        self._names: dict[str, str] = {}  # of the trace: the story's
        self._logged: dict[str, int] = {}  # how many of a registry's log lines were told
        self._opening = ""  # whose session is being opened
        self._began = 0.0

    # --- telling ------------------------------------------------------------------------------------------------

    def tell(self, topic: str, who: str, what: str) -> None:
        if topic in self._topics:
            self.lines.append(f"{self.now - self._began:9.3f}  {who:<12}  {what}".rstrip())

    def tell_event(self, name: str, event: object) -> None:
        """Something that somebody was given to handle."""
        words = self.words
        match event:
            case Received(peer, Message() as message):
                self.tell(words.topic(message), f"{words.name(peer)} -> {name}", words.message(message))
            case LinkUp(peer, outbound):
                self.tell("links", name, f"link with {words.name(peer)}, {'dialled' if outbound else 'accepted'}")
            case LinkDown(peer):
                self.tell("links", name, f"no link with {words.name(peer)} any more")
            case DialFailed(endpoint, _, reason):
                self.tell("links", name, f"dial of {self._at(endpoint)} failed: {words.with_names(reason)}")
            case SessionClosed(session):
                self.tell("calls", name, f"the socket of {self._names[f'session {session}']} is closed")
            case SessionSilent(session):
                self.tell("calls", name, f"{self._names[f'session {session}']} answers no pings")

    def _on_event(self, who: str, event: object) -> None:
        if who not in self._names:
            return  # a client: what it gets was told when it was sent
        if isinstance(event, Call):
            client = self._names[f"session {event.session}"]
            self._names[f"call {event.session} {event.call}"] = event.method
            said = self.words.call(event.method, event.params)
            self.tell(_topic_of(event.method), f"{client} -> {self._names[who]}", said)
        self.tell_event(self._names[who], event)

    def _answer(self, host: str, client: str, answer: Answer) -> None:
        path = f"{host} -> {client}"
        match answer:
            case Reply(session, call, result):
                method = self._names[f"call {session} {call}"]
                self.tell(_topic_of(method), path, self.words.answer(method, result))
            case Fail(session, call, error):
                method = self._names[f"call {session} {call}"]
                self.tell("calls", path, f"{method} refused: {error.reason}")
            case Notify(_, "nodes.event", params):
                told = msgspec.json.decode(msgspec.json.encode(params))
                told["events"] = [event for event in told["events"] if event["type"] != "digest"]
                if told["events"]:
                    self.tell("calls", path, self.words.events(told))
            case Notify(_, method, params):
                self.tell("calls", path, f"{method} {self.words.notice(msgspec.to_builtins(params))}")

    def _look(self, host: Host) -> None:
        """After each event: every invariant, and what was logged."""
        check_host(host)
        name, told = self._names[host.name], self._logged.get(host.name, 0)
        self._logged[host.name] = len(host.logged)
        for _, log in list(host.logged)[told:]:
            fields = " ".join(f"{field}={value}" for field, value in log.fields.items())
            self.tell("logs", name, f"logs: {log.event} {self.words.with_names(fields)}")

    def _show(self, text: str) -> None:
        """Say how things stand, whatever is to be told."""
        self.lines.append(f"{'':9}  {text}")

    # --- people -------------------------------------------------------------------------------------------------

    def host(self, name: str) -> Host:
        found = self.people[name]
        assert isinstance(found, Host)
        return found

    def hosts_of(self, names: str) -> list[Host]:
        return [self.host(name) for name in names.split()]

    def _at(self, endpoint: str) -> str:
        return next(self._names[host.name] for host in self.hosts if host.endpoint == endpoint)

    def _enter(self, name: str, person: Any) -> None:
        self.people[name] = person
        if not isinstance(person, SimClient):
            self.words.names[person.id] = name

    def add_client(self, host: Host) -> SimClient:
        client = super().add_client(host)
        self._names[f"session {client.number}"] = self._opening
        take, home, name = host.sessions[client.number], self._names[host.name], self._opening

        def tell_and_take(answer: Answer) -> None:
            self._answer(home, name, answer)
            take(answer)

        host.sessions[client.number] = tell_and_take
        return client


def _topic_of(method: str) -> str:
    if method == "node.renew":
        return "renewals"
    return "logins" if method in LOGINS else "calls"
