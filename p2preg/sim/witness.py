"""A subscriber that looks at the clock: it holds its registry to the contract, and notes when it was told what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from p2preg.sim.subscriber import Subscriber


class Witness(Subscriber):
    """`told`: by (node id in hex, contact), the virtual time at which that was first said of the node; a node that
    left has the contact "gone"."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.told: dict[tuple[str, str], float] = {}
        self._clock = clock

    def take(self, params: dict[str, Any]) -> None:
        super().take(params)
        for event in params["events"]:
            if event["type"] in ("enter", "update"):
                self.told.setdefault((event["node_id"], event["node"]["contact"]), self._clock())
            elif event["type"] == "leave":
                self.told.setdefault((event["node_id"], "gone"), self._clock())
