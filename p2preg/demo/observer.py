"""An eye at each registry: everything that it shows, with the moment in which it first did. It uses no failover, so
what it knows is this one registry's word, and it comes back when the registry does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from p2preg.client.config import ClientConfig
from p2preg.client.errors import ClientError
from p2preg.client.session import Session, open_session
from p2preg.demo.claims import View
from p2preg.demo.pulse import Pulse

FIELDS = ("region", "state", "contact", "home", "load")
RETRY_SECONDS = 0.2
NO_GOODBYE = ClientConfig(close=0.0)  # who only watches may go at once, and a Ctrl-C is obeyed sooner
HEARD_SECONDS_MAX = 15.0  # three heartbeats: the design's measure of a registry that is heard
TWO_128 = 1 << 128


class Observer:
    """What one registry shows. `first_seen`: node → when it was first shown; `first_contact`: (node, contact) → when it
    was first shown so. Neither is ever forgotten."""

    def __init__(self, name: str, url: Callable[[], str], pulse: Pulse, clock: Callable[[], float]) -> None:
        self.name = name
        self.nodes: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, str] = {}
        self.first_seen: dict[str, float] = {}
        self.first_contact: dict[tuple[str, str], float] = {}
        self.synced = False
        self.info: dict[str, Any] = {}
        self.peers: list[dict[str, Any]] = []
        self.session: Session | None = None
        self._url = url
        self._pulse = pulse
        self._clock = clock

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                async with open_session(self._url(), config=NO_GOODBYE) as session:
                    await self._watch(session)
            except ClientError:
                pass  # killed, or not back yet
            self.session = None
            self.synced = False
            self._pulse.beat()
            await trio.sleep(RETRY_SECONDS)

    async def _watch(self, session: Session) -> None:
        session.connection.on("nodes.event", self.on_events)
        self.nodes.clear()
        self.versions.clear()
        await session.call("nodes.subscribe", {"include": "all", "fields": list(FIELDS), "max_rate_ms": 0})
        self.session = session
        await session.connection.wait_lost()

    def on_events(self, params: dict[str, Any]) -> None:
        """Take in one notification."""
        for event in params["events"]:
            match event["type"]:
                case "enter" | "update":
                    self._on_node(event["node_id"], event["node"], event["version"])
                case "leave":
                    self.nodes.pop(event["node_id"], None)
                    self.versions.pop(event["node_id"], None)
                case "synced":
                    self.synced = True
        self._pulse.beat()

    def _on_node(self, node_id: str, node: dict[str, Any], version: str) -> None:
        self.nodes[node_id] = node
        self.versions[node_id] = version
        self.first_seen.setdefault(node_id, self._clock())
        self.first_contact.setdefault((node_id, node["contact"]), self._clock())

    async def ask(self) -> None:
        """Ask the registry about itself and its peers; nothing changes when it cannot be asked."""
        if self.session is None:
            return
        try:
            self.info = await self.session.call("registry.info")
            self.peers = (await self.session.call("registry.peers"))["peers"]
        except ClientError:
            return
        self._pulse.beat()

    @property
    def hears(self) -> int:
        """How many other registries this one has heard lately."""
        return sum(peer.get("heartbeat_age_s", HEARD_SECONDS_MAX) < HEARD_SECONDS_MAX for peer in self.peers)

    @property
    def view(self) -> View:
        """Count and digest of all that is shown, computed as the contract says that a client can."""
        total = sum(int(version, 16) for version in self.versions.values()) % TWO_128
        return View(self.name, len(self.versions), f"{total:032x}")

    def contact(self, node_id: str) -> str:
        """The contact of a node here; empty when it is not shown."""
        node = self.nodes.get(node_id)
        return str(node["contact"]) if node is not None else ""

    def offers(self, node_id: str) -> bool:
        """Whether the registry would offer the node: serving and live."""
        node = self.nodes.get(node_id)
        return node is not None and node["contact"] == "live" and node["state"] == "serving"

    def home(self, node_id: str) -> str:
        """The registry at which the node is registered, as seen from here; empty when it is not shown."""
        node = self.nodes.get(node_id)
        return str(node["home"]) if node is not None else ""
