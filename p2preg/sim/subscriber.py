"""What a careful subscriber makes of its notifications: it believes nothing that it can check (docs/rpc.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EVENTS_MAX = 500  # of the contract, per notification
_TWO_128 = 1 << 128


@dataclass(slots=True)
class Subscriber:
    """`versions` and `nodes`: what it was told, by node id. `log`: every event, in order."""

    number: int = 0
    mode: str = ""
    n: int = 0
    is_synced: bool = False
    is_lagged: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    freshness: dict[str, Any] = field(default_factory=dict)

    def begin(self, result: dict[str, Any], resuming: Subscriber | None) -> None:
        """The answer to `nodes.subscribe`. A difference is to what `resuming` held; a snapshot forgets it."""
        self.number, self.mode = result["subscription"], result["mode"]
        if self.mode == "difference":
            assert resuming is not None, "a difference to nothing"
            self.versions, self.nodes = dict(resuming.versions), dict(resuming.nodes)

    def take(self, params: dict[str, Any]) -> None:
        """One notification. An `AssertionError` says how the contract was broken."""
        assert not self.is_lagged, "a subscription that lagged is gone"
        assert params["n"] == self.n + 1, f"notification {params['n']} came after {self.n}"
        assert 1 <= len(params["events"]) <= EVENTS_MAX
        self.n = params["n"]
        for event in params["events"]:
            self.log.append(event)
            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "enter":
                assert event["node_id"] not in self.versions, "entered twice"
                self._hold(event)
            case "update":
                assert event["node_id"] in self.versions, "updated, but never entered"
                self._hold(event)
            case "leave":
                assert event["node_id"] in self.versions, "left, but never entered"
                del self.versions[event["node_id"]], self.nodes[event["node_id"]]
            case "synced":
                assert not self.is_synced, "synced twice"
                self.is_synced, self.freshness = True, event["freshness"]
                self._compare(event)
            case "digest":
                assert self.is_synced, "a digest before synced"
                self._compare(event)
            case "lagged":
                self.is_lagged = True
            case other:
                raise AssertionError(f"an event of type {other!r}")

    def _hold(self, event: dict[str, Any]) -> None:
        node = event["node"]
        assert (node["node_id"], node["version"]) == (event["node_id"], event["version"])
        self.versions[event["node_id"]] = event["version"]
        self.nodes[event["node_id"]] = node

    def _compare(self, event: dict[str, Any]) -> None:
        assert event["count"] == len(self.versions), f"{len(self.versions)} are held here, {event['count']} there"
        assert event["digest"] == self.digest, "the digests differ"

    @property
    def digest(self) -> str:
        """The sum of the versions held, as the contract has it."""
        return f"{sum(int(version, 16) for version in self.versions.values()) % _TWO_128:032x}"

    def have(self) -> dict[str, Any]:
        """What to say when resuming elsewhere."""
        return {"count": len(self.versions), "digest": self.digest}
