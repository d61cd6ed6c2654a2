"""Changes of a view on their way to a reader who may be slow: one entry a node, always its latest state, so a queue is
bounded by the nodes and never lies."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import trio

from p2preg.client.view import Node, View


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`enter`, `update` and `leave` of a node (for `leave`, as it was last); `synced`: from here on the view is current
    and complete; `stale`: it is not, until the next `synced`."""

    type: Literal["enter", "update", "leave", "synced", "stale"]
    node_id: str | None = None
    node: Node | None = None


class Changes:
    """An asynchronous iterator of `WatchEvent`. It begins with an `enter` for each node that is held."""

    def __init__(self, view: View, *, synced: bool) -> None:
        self._view = view
        # node id → what the reader holds of it
        self._pending: OrderedDict[str, Node | None] = OrderedDict.fromkeys(view.nodes)
        self._synced = synced
        self._told_synced = False
        self._ended = False
        self._filled = trio.Event()

    def __len__(self) -> int:
        return len(self._pending)

    def __aiter__(self) -> Changes:
        return self

    async def __anext__(self) -> WatchEvent:
        while True:
            event = self._next()
            if event is not None:
                await trio.lowlevel.checkpoint()
                return event
            if self._ended:
                raise StopAsyncIteration
            self._filled = trio.Event()
            await self._filled.wait()

    def _next(self) -> WatchEvent | None:
        if self._told_synced and not self._synced:
            self._told_synced = False
            return WatchEvent("stale")
        while self._pending:
            node_id, held = self._pending.popitem(last=False)
            event = self._event(node_id, held)
            if event is not None:
                return event
        if self._synced and not self._told_synced:
            self._told_synced = True
            return WatchEvent("synced")
        return None

    def _event(self, node_id: str, held: Node | None) -> WatchEvent | None:
        node = self._view.nodes.get(node_id)
        if node is None:
            return WatchEvent("leave", node_id, held) if held is not None else None
        if held is None:
            return WatchEvent("enter", node_id, node)
        return WatchEvent("update", node_id, node) if held != node else None

    def change(self, node_id: str, before: Node | None) -> None:
        """The view has changed here."""
        held = self._pending.setdefault(node_id, before)
        if held is None and node_id not in self._view.nodes:
            del self._pending[node_id]  # came and went unseen
        self._filled.set()

    def set_synced(self, *, synced: bool) -> None:
        self._synced = synced
        self._filled.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._filled.set()
