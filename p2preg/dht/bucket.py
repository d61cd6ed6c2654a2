"""A k-bucket: the `kademlia` package's, without its clock, and with prefix diversity among its replacements.

Three faults of the original are mended here: a split forgets the bound of the replacement cache, a split makes the
halves look freshly looked up, and every bucket reads the clock."""

from __future__ import annotations

import math

from kademlia.node import Node
from kademlia.routing import KBucket

from p2preg.base.limits import DHT_PREFIX_PER_BUCKET, DHT_REPLACEMENTS_MAX
from p2preg.dht.contact import Contact
from p2preg.dht.distance import ID_BITS


class TableNode(Node):  # type: ignore[misc]  # the package has no types
    """A contact in the library's clothes. `seen_at`: when it last took part in an authenticated exchange."""

    id: bytes
    long_id: int

    def __init__(self, contact: Contact, seen_at: float) -> None:
        super().__init__(contact.routing_id)
        self.contact = contact
        self.seen_at = seen_at


class Bucket(KBucket):  # type: ignore[misc]
    """The contacts of one aligned range of ids, both bounds inclusive; least recently seen first."""

    range: tuple[int, int]
    nodes: dict[bytes, TableNode]
    replacement_nodes: dict[bytes, TableNode]

    def __init__(self, low: int, high: int, k: int, looked_up_at: float = -math.inf) -> None:
        super().__init__(low, high, k)
        self.max_replacement_nodes = DHT_REPLACEMENTS_MAX
        self.last_updated = looked_up_at

    def touch_last_updated(self) -> None:
        """The original reads the clock here, and is called when a bucket is made. Time comes from outside instead."""

    def depth(self) -> int:
        """How many leading bits the range fixes; the original counts those that its members happen to share."""
        return ID_BITS - (self.range[1] - self.range[0]).bit_length()

    def split(self) -> tuple[Bucket, Bucket]:
        """Two halves with everyone in them, as stale as the whole."""
        low, high = self.range
        middle = (low + high) // 2
        lower = Bucket(low, middle, self.ksize, self.last_updated)
        upper = Bucket(middle + 1, high, self.ksize, self.last_updated)
        for node in [*self.nodes.values(), *self.replacement_nodes.values()]:
            (lower if node.long_id <= middle else upper).add_node(node)
        return lower, upper

    def remove_node(self, node: Node) -> None:
        """Remove; the replacement seen last takes the place, those of crowded prefixes after all others."""
        self.replacement_nodes.pop(node.id, None)
        if self.nodes.pop(node.id, None) is None or not self.replacement_nodes:
            return
        waiting = list(reversed(self.replacement_nodes.values()))
        chosen = next((each for each in waiting if not self.is_saturated(each.contact.prefix)), waiting[0])
        self.nodes[chosen.id] = self.replacement_nodes.pop(chosen.id)

    def displace(self, old: TableNode, new: TableNode) -> None:
        """`new` takes the place of `old`."""
        del self.nodes[old.id]
        self.replacement_nodes.pop(new.id, None)
        self.nodes[new.id] = new

    def count_of(self, prefix: str) -> int:
        return sum(node.contact.prefix == prefix for node in self.nodes.values())

    def is_saturated(self, prefix: str) -> bool:
        """Whether this bucket holds as many of `prefix` as a full one prefers."""
        return prefix != "" and self.count_of(prefix) >= DHT_PREFIX_PER_BUCKET
