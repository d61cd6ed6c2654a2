"""What a client holds of the nodes that match a filter, with the digest that shows whether it is all (docs/rpc.md,
Subscriptions 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Node = Mapping[str, Any]
# node_id, the node before, the node after; None: not held
OnChange = Callable[[str, Node | None, Node | None], None]

VERSION_BITS = 128


class View:
    """Nodes by id, and the sum of their versions. Bounded by what matches at the registry."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._versions: dict[str, int] = {}
        self._sum = 0
        self.nodes: Mapping[str, Node] = MappingProxyType(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def digest(self) -> str:
        """The sum modulo 2^128 of the versions, as 32 hex digits."""
        return f"{self._sum:032x}"

    def put(self, node_id: str, version: str, node: Node) -> Node | None:
        """Hold this; what was held before."""
        before = self.drop(node_id)
        self._nodes[node_id] = node
        self._versions[node_id] = int(version, 16)
        self._sum = (self._sum + self._versions[node_id]) % (1 << VERSION_BITS)
        return before

    def drop(self, node_id: str) -> Node | None:
        """Hold it no longer; what was held."""
        self._sum = (self._sum - self._versions.pop(node_id, 0)) % (1 << VERSION_BITS)
        return self._nodes.pop(node_id, None)

    def become(self, other: View, on_change: OnChange) -> None:
        """Hold what `other` holds, telling the difference."""
        for node_id in [node_id for node_id in self._nodes if node_id not in other._nodes]:
            on_change(node_id, self.drop(node_id), None)
        for node_id, node in other._nodes.items():
            same = self._versions.get(node_id) == other._versions[node_id] and self._nodes[node_id] == node
            if not same:
                on_change(node_id, self.put(node_id, f"{other._versions[node_id]:x}", node), node)
