"""The clients of a swarm: Media Nodes that come, go, crash, change and renew, and subscribers that follow them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any

from p2preg.sim.client import Pending, SimClient
from p2preg.sim.host import Host
from p2preg.sim.media import MediaNode
from p2preg.sim.subscriber import Subscriber
from p2preg.sim.world import World

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 8.0  # for answers, before a client tries another registry
AWAY_SECONDS_MAX = 40.0
ACTS = ("crash", "leave", "change", "renew", "move", "drain", "resume")
ACT_SHARE = 0.03  # of its looks at the clock, at which a Media Node does one of these


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A registration or renewal to which `home` said yes, at `at` seconds: a lease that ends at `end_ms`."""

    node: bytes
    home: bytes
    at: float
    end_ms: int


class Resident(MediaNode):
    """A Media Node that looks after itself as the SDK does: without a home it finds another one."""

    def __init__(self, world: World, number: int, rng: Random) -> None:
        name = f"resident {number}"
        super().__init__(
            name, world.key(name), world.network_file, world.agenda, world.add_client, signed=bool(number % 2)
        )
        self.acknowledged: list[Acknowledged] = []
        self.since = 0.0  # at its home
        self._is_resting = False
        self._world = world
        self._rng = rng
        self._away_until = 0.0
        self._asked_at = 0.0
        world.agenda.after(rng.uniform(0.0, LOOK_SECONDS), self._look)

    @property
    def home(self) -> Host | None:
        """Where it is registered, over a socket that is open."""
        client = self.client
        return client.host if client is not None and client.is_open and self.registered is not None else None

    def rest(self) -> None:
        """From now on do nothing but stay, here or away."""
        self._is_resting = True
        if self._world.now < self._away_until:
            self._away_until = math.inf

    @property
    def is_settled(self) -> bool:
        """Whether it is where it will stay, now that it rests."""
        return self.home is not None or self._away_until == math.inf

    def _look(self) -> None:
        self._world.agenda.after(LOOK_SECONDS, self._look)
        now = self._world.now
        if now < self._away_until:
            return
        if self.home is None:
            is_asking = self.client is not None and self.client.is_open and self.refused is None
            if not is_asking or now - self._asked_at > PATIENCE_SECONDS:
                self._find_home()
        elif not self._is_resting and self._rng.random() < ACT_SHARE:
            self._act(self._rng.choice(ACTS))

    def _find_home(self) -> None:
        self.leave_socket()
        running = self._world.running
        if running:
            self._asked_at = self._world.now
            self.attach(self._rng.choice(running))

    def _act(self, what: str) -> None:
        client = self.client
        assert client is not None
        match what:
            case "crash":
                self.leave_socket()
                self._away_until = self._world.now + self._rng.uniform(0.0, AWAY_SECONDS_MAX)
            case "leave":
                client.send("node.leave")
                self.registered = None
                self._world.agenda.after(LOOK_SECONDS, self._forget, client)
                self._away_until = self._world.now + self._rng.uniform(LOOK_SECONDS, AWAY_SECONDS_MAX)
            case "change":
                self.attributes = self.attributes | {"codecs": [f"video/H26{self._rng.randrange(10)}"]}
                client.send("node.register", lambda answer: self._answered(client, answer), **self.description())
            case "renew":
                self._renew(client)
            case "move":
                self._find_home()
            case "drain":
                client.send("node.drain", level=self._rng.choice(("cordoned", "draining")))
            case "resume":
                client.send("node.resume")

    def _forget(self, client: SimClient) -> None:
        if client is self.client:
            self.leave_socket()

    def _answered(self, client: SimClient, answer: Pending) -> None:
        super()._answered(client, answer)
        self._note(client, answer)

    def _renewed(self, client: SimClient, answer: Pending) -> None:
        super()._renewed(client, answer)
        self._note(client, answer)

    def _note(self, client: SimClient, answer: Pending) -> None:
        if answer.error is None:
            self.since = self._world.now
            end_ms = answer.result["lease"]["expires_ms"]
            self.acknowledged.append(Acknowledged(self.id, client.host.id, self._world.now, end_ms))


class Follower:
    """A client that subscribes to everything, somewhere, and goes on elsewhere when it has to. What it is told is
    held against the contract."""

    def __init__(self, world: World, number: int, rng: Random) -> None:
        self.subscriber: Subscriber | None = None
        self.resumed = 0
        self._client: SimClient | None = None
        self._pending: Pending | None = None
        self._asked_at = 0.0
        self._world = world
        self._rng = rng
        world.agenda.after(rng.uniform(0.0, LOOK_SECONDS), self._look)

    @property
    def host(self) -> Host | None:
        """Where it follows; None while it does not."""
        client, subscriber = self._client, self.subscriber
        follows = client is not None and client.is_open and subscriber is not None and subscriber.is_synced
        return client.host if client is not None and follows else None

    def _look(self) -> None:
        self._world.agenda.after(LOOK_SECONDS, self._look)
        client = self._client
        if client is not None and client.is_open and not self._is_stuck():
            return
        if client is not None:
            client.close()
        running = self._world.running
        if running:
            self._subscribe(self._rng.choice(running))

    def _is_stuck(self) -> bool:
        if self.subscriber is not None and self.subscriber.is_lagged:
            return True
        if self._pending is not None and self._pending.is_done:
            return self._pending.error is not None
        return self._world.now - self._asked_at > PATIENCE_SECONDS

    def _subscribe(self, host: Host) -> None:
        former = self.subscriber
        resuming = former if former is not None and former.is_synced and not former.is_lagged else None
        self.resumed += resuming is not None
        self.subscriber = Subscriber()
        self._asked_at = self._world.now
        self._client = self._world.add_client(host)
        params: dict[str, Any] = {"include": "all"}
        self._pending = self._client.subscribe_nowait(self.subscriber, resuming, **params)
