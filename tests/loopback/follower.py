"""A subscriber that believes nothing: it keeps its own picture from the events, and checks the contract's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handmade import digest_by_hand
from raw_client import PATIENCE, RawClient

EVENTS_MAX = 500
REASONS = {"changed", "cordoned", "draining", "stopping", "stopped", "suspect", "unknown", "expired"}


class Follower:
    """One subscription of `client`. `nodes`: what it holds; `told`: all events but synced and digest, in order."""

    def __init__(self, client: RawClient, subscription: int, mode: str, holds: dict[str, dict[str, Any]]) -> None:
        self.client = client
        self.subscription = subscription
        self.mode = mode
        self.nodes = {} if mode == "snapshot" else dict(holds)
        self.told: list[dict[str, Any]] = []
        self.notifications = 0
        self.synced: dict[str, Any] | None = None
        self.digests = 0
        self.lagged = False
        self._read = 0

    @property
    def versions(self) -> dict[str, str]:
        return {node_id: node["version"] for node_id, node in self.nodes.items()}

    @property
    def have(self) -> dict[str, Any]:
        """What a resuming client says that it holds."""
        return {"count": len(self.nodes), "digest": digest_by_hand(self.versions)}

    def follow(self) -> None:
        """Take in what has arrived."""
        arrived = self.client.notifications
        while self._read < len(arrived):
            message = arrived[self._read]
            self._read += 1
            if message["method"] == "nodes.event" and message["params"]["subscription"] == self.subscription:
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        assert "id" not in message
        assert not self.lagged, "nothing follows lagged"
        params = message["params"]
        self.notifications += 1
        assert params["n"] == self.notifications, "n has no gap"
        assert 0 < len(params["events"]) <= EVENTS_MAX
        for event in params["events"]:
            self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "enter" | "update" | "leave":
                self._change(event)
            case "synced":
                assert self.synced is None, "synced comes once"
                self.synced = event
                self._check_digest(event)
                assert "registries_known" in event["freshness"]
            case "digest":
                assert self.synced is not None, "digests come after synced"
                self.digests += 1
                self._check_digest(event)
            case "lagged":
                self.lagged = True
            case other:
                raise AssertionError(f"no event is called {other}")

    def _change(self, event: dict[str, Any]) -> None:
        node_id = event["node_id"]
        assert event.get("reason", "changed") in REASONS
        self.told.append(event)
        if event["type"] == "leave":
            assert node_id in self.nodes, "only what was entered leaves"
            assert "node" not in event
            del self.nodes[node_id]
            return
        assert (event["type"] == "update") == (node_id in self.nodes)
        node = event["node"]
        assert (node["node_id"], node["version"]) == (node_id, event["version"])
        self.nodes[node_id] = node

    def _check_digest(self, event: dict[str, Any]) -> None:
        assert event["count"] == len(self.nodes)
        assert event["digest"] == digest_by_hand(self.versions)

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Follow until the condition holds."""

        def look() -> bool:
            self.follow()
            return condition()

        await self.client.until(look, seconds)

    async def until_synced(self, seconds: float = PATIENCE) -> Follower:
        await self.until(lambda: self.synced is not None, seconds)
        return self

    async def quiet(self) -> None:
        """Take in everything that was sent before the registry answers a ping."""
        await self.client.call("rpc.ping")
        self.follow()

    def kinds_of(self, node_id: str) -> list[str]:
        """What was told of a node."""
        return [event["type"] for event in self.told if event["node_id"] == node_id]

    def reasons_of(self, node_id: str) -> list[str]:
        return [event["reason"] for event in self.told if event["node_id"] == node_id and event["type"] != "enter"]


async def follow(
    client: RawClient, holds: dict[str, dict[str, Any]] | None = None, seconds: float = PATIENCE, **params: Any
) -> Follower:
    """Subscribe; with `holds`, as one that comes back. No event of it may come before the result with its id."""
    if holds is not None:
        versions = {node_id: node["version"] for node_id, node in holds.items()}
        params["have"] = {"count": len(holds), "digest": digest_by_hand(versions)}
    before = len(client.notifications)
    identity = await client.begin("nodes.subscribe", **params)
    result = await client.finish(identity, seconds)
    arrived_first = client.notifications_before[identity]
    early = [m for m in client.notifications[before:arrived_first] if m["method"] == "nodes.event"]
    assert all(message["params"]["subscription"] != result["subscription"] for message in early)
    assert result["mode"] in ("snapshot", "difference")
    assert "registries_fresh" in result["freshness"]
    return Follower(client, result["subscription"], result["mode"], holds or {})
