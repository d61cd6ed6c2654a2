"""The routing table of the Kademlia paper, section 2.4, on the `kademlia` package's table, node and bucket.

It replaces what does not hold there: ids of 256 bits, buckets found by inclusive bounds, `add_contact` without a ping
of its own (it would start an asyncio task), and `closest`, which is exact. It asks nobody and reads no clock: whom to
ping and when is `dht.core`'s part."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Iterable

import kademlia.routing
from kademlia.node import Node

from p2preg.base.limits import (
    DHT_BUCKETS_MAX,
    DHT_PREFIX_PER_BUCKET,
    DHT_PREFIX_PER_TABLE,
    DHT_REPLACEMENTS_MAX,
)
from p2preg.dht.bucket import Bucket, TableNode
from p2preg.dht.contact import Contact
from p2preg.dht.distance import ID_BITS, routing_id

SPLIT_BITS = 5  # b of the paper's section 4.2: buckets far from ourselves split down to a depth that is a multiple


class RoutingTable(kademlia.routing.RoutingTable):  # type: ignore[misc]  # the package has no types
    """Contacts by distance from ourselves, who are never among them."""

    buckets: list[Bucket]
    ksize: int

    def __init__(self, own_id: bytes, k: int) -> None:
        super().__init__(None, k, Node(own_id))

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self.buckets)

    def __contains__(self, public_key: bytes) -> bool:
        return public_key in self._held

    def flush(self) -> None:
        """Start over with one bucket for every id. The bounds are inclusive, so each range is one prefix of bits."""
        self.buckets = [Bucket(0, 2**ID_BITS - 1, self.ksize)]
        self._upper_bounds = [2**ID_BITS - 1]  # of the buckets
        self._held: dict[bytes, TableNode] = {}  # by public key

    def split_bucket(self, index: int) -> None:
        """As the original; a replacement may find a place in its half."""
        super().split_bucket(index)
        halves = self.buckets[index : index + 2]
        self._upper_bounds[index : index + 1] = [half.range[1] for half in halves]
        for half in halves:
            self._held.update((node.contact.public_key, node) for node in half.nodes.values())

    def get_bucket_for(self, node: Node) -> int:
        """The index of the bucket whose range holds `node`. The original looks for a midpoint one bucket too far."""
        return self._index(node.long_id)

    def _index(self, number: int) -> int:
        return bisect_left(self._upper_bounds, number)

    def add_contact(self, contact: Contact, now: float) -> Contact | None:
        """Take in `contact` as seen now. If it has to wait for a place, the eviction candidate: the contact of its
        bucket that was seen longest ago and goes if it no longer answers. A live one stays (section 2.2)."""
        node = TableNode(contact, now)
        if node.id == self.node.id:
            return None
        while True:
            index = self.get_bucket_for(node)
            bucket = self.buckets[index]
            if node.id in bucket.nodes or len(bucket) < self.ksize:
                bucket.add_node(node)
                self._held[contact.public_key] = node
                return None
            if not self._may_split(bucket):
                return self._add_to_full(bucket, node)
            self.split_bucket(index)

    def _may_split(self, bucket: Bucket) -> bool:
        if len(self.buckets) >= DHT_BUCKETS_MAX:
            return False
        return bool(bucket.has_in_range(self.node)) or bucket.depth() % SPLIT_BITS != 0

    def _add_to_full(self, bucket: Bucket, node: TableNode) -> Contact | None:
        """Prefix diversity decides first, age second: who filled an empty table from one network would else keep it."""
        in_table = Counter(each.contact.prefix for each in self._nodes())
        prefix = node.contact.prefix
        if prefix and (bucket.is_saturated(prefix) or in_table[prefix] >= DHT_PREFIX_PER_TABLE):
            return None
        for old in bucket.nodes.values():
            crowd = old.contact.prefix
            if crowd and (bucket.count_of(crowd) > DHT_PREFIX_PER_BUCKET or in_table[crowd] > DHT_PREFIX_PER_TABLE):
                bucket.displace(old, node)
                del self._held[old.contact.public_key]
                self._held[node.contact.public_key] = node
                return None
        bucket.add_node(node)  # into the replacement cache
        return next(iter(bucket.nodes.values())).contact

    def touch(self, public_key: bytes, now: float) -> None:
        """An authenticated exchange took place: if we hold the contact, it is now the one seen last in its bucket."""
        node = self._held.get(public_key)
        if node is not None:
            node.seen_at = now
            self.buckets[self._index(node.long_id)].add_node(node)

    def remove(self, public_key: bytes) -> None:
        """Forget the contact, also as a replacement; a replacement takes its place."""
        gone = self._held.pop(public_key, None) or Node(routing_id(public_key))
        bucket = self.buckets[self.get_bucket_for(gone)]
        bucket.remove_node(gone)
        self._held.update((node.contact.public_key, node) for node in bucket.nodes.values())  # a replacement is new

    def get(self, public_key: bytes) -> Contact | None:
        node = self._held.get(public_key)
        return None if node is None else node.contact

    def seen_at(self, public_key: bytes) -> float | None:
        """When the contact was last seen; None when it is not held."""
        node = self._held.get(public_key)
        return None if node is None else node.seen_at

    def closest(self, target: bytes, k: int, exclude: Container[bytes] = ()) -> list[Contact]:
        """Exactly the `k` contacts nearest to `target`, nearest first, without those whose public key is excluded.

        A bucket is one prefix of bits, so the distances in two buckets never interleave: any one id of each range, here
        the first, tells which bucket is nearer."""
        goal = int.from_bytes(target)
        found: list[TableNode] = []
        for bucket in sorted(self.buckets, key=lambda each: each.range[0] ^ goal):
            if len(found) >= k:
                break
            inside: Iterable[TableNode] = bucket.nodes.values()
            if exclude:
                inside = (node for node in inside if node.contact.public_key not in exclude)
            found += sorted(inside, key=lambda node: node.long_id ^ goal)
        return [node.contact for node in found[:k]]

    def contacts(self) -> list[Contact]:
        return [node.contact for node in self._nodes()]

    def snapshot(self) -> list[bytes]:
        """The registry cells of all contacts: what to keep for the next start."""
        return [contact.cell for contact in self.contacts()]

    def mark_looked_up(self, target: bytes, now: float) -> None:
        """A lookup of `target` has ended, so its bucket is fresh."""
        self.buckets[self._index(int.from_bytes(target))].last_updated = now

    def buckets_to_refresh(self, now: float, interval: float) -> list[tuple[int, int]]:
        """The ranges, both bounds inclusive, in which no lookup has ended for `interval` seconds."""
        return [bucket.range for bucket in self.buckets if bucket.last_updated <= now - interval]

    def _nodes(self) -> list[TableNode]:
        return [node for bucket in self.buckets for node in bucket.nodes.values()]

    def check_invariants(self) -> None:
        assert len(self.buckets) <= DHT_BUCKETS_MAX
        following = 0
        for bucket in self.buckets:
            low, high = bucket.range
            assert low == following, "the buckets tile the space"
            following = high + 1
            members = {**bucket.nodes, **bucket.replacement_nodes}
            assert len(members) == len(bucket.nodes) + len(bucket.replacement_nodes), "nobody is in twice"
            assert all(low <= node.long_id <= high for node in members.values())
            assert self.node.id not in members, "we are not our own contact"
            assert len(bucket.nodes) <= self.ksize
            assert len(bucket.replacement_nodes) <= DHT_REPLACEMENTS_MAX
            assert not bucket.replacement_nodes or len(bucket.nodes) == self.ksize, "replacements wait for a place"
        assert following == 2**ID_BITS
        assert self._upper_bounds == [bucket.range[1] for bucket in self.buckets]
        assert self._held == {node.contact.public_key: node for node in self._nodes()}
