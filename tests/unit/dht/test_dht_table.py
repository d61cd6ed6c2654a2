import asyncio
import hashlib
import math
from dataclasses import replace

import kademlia.routing
import pytest
from dht_people import people_in, person, tiny
from kademlia.node import Node, NodeHeap

from p2preg.base.limits import DHT_REPLACEMENTS_MAX
from p2preg.dht import table as table_module
from p2preg.dht.distance import routing_id
from p2preg.dht.table import RoutingTable

OWN_KEY = bytes(32)
OWN_ID = routing_id(OWN_KEY)  # begins with bit 0
FAR = 1  # the first bit of the half of the space that is not ours


class Original(kademlia.routing.RoutingTable):
    """The library's own table, with nothing changed but the width of the ids."""

    def __init__(self, own_id, k):
        super().__init__(None, k, Node(own_id))

    def flush(self):
        self.buckets = [kademlia.routing.KBucket(0, 2**256, self.ksize)]


def far_bucket(hosts):
    """A table of k = 4 whose far half has split to depth 5, and people of one such bucket, one for each host."""
    table = RoutingTable(OWN_ID, 4)
    people = [tiny(0b11111_000, host, bytes([n]) * 31) for n, host in enumerate(hosts)]
    return table, people


def fill(table, people):
    candidates = [table.add_contact(each, float(at)) for at, each in enumerate(people)]
    table.check_invariants()
    return candidates


def test_the_routing_table_starts_no_asyncio_task_where_the_original_does(monkeypatch):
    started = []
    monkeypatch.setattr(asyncio, "ensure_future", started.append)
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: pytest.fail("an event loop was made"))
    people = [person(n) for n in range(300)]

    class Pings:
        def call_ping(self, node):
            return node

    original = Original(OWN_ID, 4)
    original.protocol = Pings()
    for each in people:
        original.add_contact(Node(each.routing_id))
    assert len(started) > 50

    started.clear()
    table = RoutingTable(OWN_ID, 4)
    candidates = fill(table, people)
    assert not started
    assert sum(each is not None for each in candidates) > 50


def test_a_contact_on_the_midpoint_of_a_split_is_found_again_where_the_original_loses_it():
    own, midpoint = bytes(32), (2**255).to_bytes(32)
    original = Original(own, 1)
    for identity in (midpoint, bytes(31) + b"\x01"):
        original.add_contact(Node(identity))
    assert original.is_new_node(Node(midpoint)), "the original has it, and does not know"

    for edge in (2**255 - 1, 2**255, 2**254, 2**254 - 1, 2**256 - 1):
        table = RoutingTable(own, 1)
        identity = edge.to_bytes(32)
        contact = tiny(identity[0], rest=identity[1:])
        fill(table, [contact, tiny(0, rest=bytes(30) + b"\x01"), contact])
        assert not table.is_new_node(Node(identity))
        assert table.contacts().count(contact) == 1


def test_ids_with_leading_zeros_are_ids_like_others_where_the_original_heap_raises():
    heap = NodeHeap(Node(OWN_ID), 20)
    with pytest.raises(TypeError):
        heap.push([Node(b"\x07" * 31), Node(b"\x00" + b"\x07" * 31)])

    people = [tiny(0, rest=bytes(n) + b"\x07" * (31 - n)) for n in range(15)]
    table = RoutingTable(b"\xff" * 32, 20)
    fill(table, people)
    assert table.closest(bytes(32), 5) == people[:-6:-1]


def test_every_neighbour_is_found_where_the_original_stops_when_one_side_is_exhausted():
    """The library's walk over 20, 3 and 3 nodes returns 6 of the 26 that it holds."""
    low, middle, high = [
        [bytes([first, n]) + bytes(30) for n in range(count)] for first, count in ((0x10, 20), (0x90, 3), (0xD0, 3))
    ]
    original = Original(bytes(32), 20)
    original.buckets = [
        kademlia.routing.KBucket(*bounds, 20)
        for bounds in ((0, 2**255 - 1), (2**255, 3 * 2**254 - 1), (3 * 2**254, 2**256))
    ]
    for bucket, ids in zip(original.buckets, (low, middle, high), strict=True):
        for identity in ids:
            bucket.add_node(Node(identity))
    target = b"\xd0\xff" + bytes(30)
    assert len(original.find_neighbors(Node(target))) < 20

    table = RoutingTable(bytes(32), 20)
    fill(table, [tiny(each[0], rest=each[1:]) for each in (*low, *middle, *high)])
    assert len(table.closest(target, 20)) == 20


def test_we_are_never_our_own_contact():
    table = RoutingTable(OWN_ID, 20)
    alice = person(1)
    oneself = type(alice)(OWN_KEY, OWN_ID, "127.0.0.1:4010", "", b"")
    assert fill(table, [alice, oneself]) == [None, None]
    assert table.contacts() == [alice]


def test_a_full_bucket_names_who_was_seen_longest_ago_and_keeps_the_newcomer_as_a_replacement():
    table = RoutingTable(OWN_ID, 4)
    *members, newcomer = [tiny(0b11111_000, rest=bytes([n]) * 31) for n in range(5)]
    assert fill(table, members) == [None] * 4
    assert table.add_contact(newcomer, 9.0) == members[0]
    assert newcomer not in table.contacts()


def test_a_touched_contact_is_no_longer_the_eviction_candidate():
    table = RoutingTable(OWN_ID, 4)
    people = people_in(FAR, 400)
    candidate = next(each for each in fill(table, people) if each is not None)
    assert candidate.public_key in table
    table.touch(candidate.public_key, 1000.0)
    assert table.seen_at(candidate.public_key) == 1000.0
    again = [table.add_contact(each, 1001.0) for each in people if each.public_key not in table]
    assert candidate not in again
    table.check_invariants()


def test_touching_a_stranger_changes_nothing():
    table = RoutingTable(OWN_ID, 4)
    fill(table, [person(1)])
    table.touch(person(2).public_key, 5.0)
    assert table.contacts() == [person(1)]
    assert table.seen_at(person(2).public_key) is None


def test_the_replacement_seen_last_takes_the_place_of_one_removed():
    table = RoutingTable(OWN_ID, 4)
    people = people_in(FAR, 200)
    fill(table, people)
    before = table.contacts()
    gone = before[0]
    bucket = table.buckets[table.get_bucket_for(Node(gone.routing_id))]
    heir = list(bucket.replacement_nodes.values())[-1].contact
    table.remove(gone.public_key)
    table.check_invariants()
    assert gone not in table.contacts()
    assert set(table.contacts()) - set(before) == {heir}


def test_the_replacement_cache_is_bounded_also_after_a_split_where_the_original_forgets_the_bound():
    one, _ = kademlia.routing.KBucket(0, 2**256, 4, replacementNodeFactor=1).split()
    assert one.max_replacement_nodes == 20, "the factor was 1"

    table = RoutingTable(OWN_ID, 4)
    fill(table, [tiny(0b11111_000, rest=bytes([n]) * 31) for n in range(100)])
    bucket = table.buckets[-1]
    assert len(bucket.replacement_nodes) == DHT_REPLACEMENTS_MAX
    assert bucket.max_replacement_nodes == DHT_REPLACEMENTS_MAX


def test_a_contact_that_comes_again_is_held_once_with_its_new_cell():
    table = RoutingTable(OWN_ID, 20)
    old, new = person(1), person(1, host="192.0.2.1", cell_bytes=40)
    fill(table, [old, person(2), new])
    assert table.contacts() == [person(2), new]
    assert table.get(old.public_key) == new
    assert table.snapshot() == [person(2).cell, new.cell]


def test_the_depth_of_a_bucket_follows_from_its_range_where_the_original_asks_its_members():
    twins = [bytes([0b10101010, n]) + bytes(30) for n in range(4)]
    whole = kademlia.routing.KBucket(0, 2**256, 4)
    for identity in twins:
        whole.add_node(Node(identity))
    assert whole.depth() >= 8, "though it has never been split"

    table = RoutingTable(OWN_ID, 20)
    fill(table, [tiny(each[0], rest=each[1:]) for each in twins])
    assert table.buckets[0].depth() == 0
    assert table.buckets[0].split()[0].split()[1].depth() == 2


def test_no_bucket_is_split_beyond_the_cap(monkeypatch):
    monkeypatch.setattr(table_module, "DHT_BUCKETS_MAX", 3)
    table = RoutingTable(OWN_ID, 4)
    fill(table, [person(n) for n in range(100)])
    assert len(table.buckets) == 3
    assert len(table) == 12


# --- diversity ------------------------------------------------------------------------------------------------


def test_a_bucket_that_is_not_full_takes_anyone():
    table, people = far_bucket(["192.0.2.1"] * 4)
    assert fill(table, people) == [None] * 4
    assert len(table) == 4


def test_a_full_bucket_refuses_the_third_of_a_prefix():
    table, people = far_bucket(["192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1", "192.0.2.3"])
    assert fill(table, people) == [None] * 5
    assert table.contacts() == people[:4]
    assert not table.buckets[-1].replacement_nodes


def test_whoever_fills_a_bucket_from_one_prefix_gives_way_to_others_down_to_two():
    table, people = far_bucket(["192.0.2.1"] * 4 + ["198.51.100.1", "203.0.113.1", "233.252.0.1"])
    candidates = fill(table, people)
    assert candidates == [None] * 6 + [people[2]], "the last comer finds two of each, and an old live contact wins"
    assert set(table.contacts()) == set(people[2:6])


def test_loopback_and_names_are_exempt_from_diversity():
    table, people = far_bucket(["127.0.0.1"] * 4 + ["registry.example"])
    assert fill(table, people) == [None] * 4 + [people[0]]


def test_a_prefix_that_is_in_the_table_ten_times_gets_no_place_in_a_full_bucket():
    table = RoutingTable(OWN_ID, 4)
    crowd = [tiny(first, "192.0.2.1") for first in range(0, 80, 8)]
    others = [tiny(0b11111_000, f"198.51.{n}.1", bytes([n]) * 31) for n in range(4)]
    fill(table, crowd + others)
    in_table = sum(each.prefix == "192.0.2.0/24" for each in table.contacts())
    assert in_table == 10
    assert table.add_contact(tiny(0b11111_000, "192.0.2.9", b"n" * 31), 50.0) is None
    assert not table.buckets[-1].replacement_nodes


def test_a_prefix_that_is_in_the_table_more_than_ten_times_gives_way_to_others():
    table = RoutingTable(OWN_ID, 4)
    others = [tiny(0b11111_000, f"198.51.{n}.1", bytes([n]) * 31) for n in range(3)]
    crowded = tiny(0b11111_000, "192.0.2.1", b"c" * 31)
    fill(table, [*others, crowded])
    newcomers = [tiny(0b11111_000, f"203.0.{n}.1", b"n" + bytes([n]) * 30) for n in range(2)]
    assert table.add_contact(newcomers[0], 5.0) == others[0], "one of its prefix is no crowd"
    fill(table, [tiny(first, "192.0.2.1") for first in range(0, 80, 8)])
    assert table.add_contact(newcomers[1], 6.0) is None
    assert newcomers[1] in table.contacts()
    assert crowded not in table.contacts()


def test_a_replacement_that_comes_again_can_take_a_place_that_became_crowded():
    table, people = far_bucket(["192.0.2.1", "198.51.100.1", "203.0.113.1", "233.252.0.1", "233.252.1.1"])
    assert fill(table, people) == [None] * 4 + [people[0]]
    moved = [replace(each, prefix="192.0.2.0/24") for each in people[1:3]]
    fill(table, [*moved, people[4]])
    assert table.contacts() == [people[3], *moved, people[4]]


def test_a_replacement_of_a_crowded_prefix_takes_a_place_only_when_there_is_no_other():
    table, people = far_bucket(["192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1"])
    fill(table, people)
    bucket = table.buckets[-1]
    crowded, diverse = tiny(0b11111_000, "192.0.2.3", b"c" * 31), tiny(0b11111_000, "233.252.0.1", b"d" * 31)
    for each in (diverse, crowded):
        bucket.add_node(table_module.TableNode(each, 5.0))
    bucket.remove_node(Node(people[2].routing_id))
    assert diverse in table.contacts()
    bucket.remove_node(Node(people[3].routing_id))
    assert crowded in table.contacts()


# --- refresh --------------------------------------------------------------------------------------------------


def test_only_ranges_without_a_recent_lookup_are_due_for_a_refresh():
    table = RoutingTable(OWN_ID, 4)
    assert table.buckets_to_refresh(0.0, 600.0) == [(0, 2**256 - 1)]
    fill(table, [person(n) for n in range(50)])
    ranges = [bucket.range for bucket in table.buckets]
    assert table.buckets_to_refresh(50.0, 600.0) == ranges
    target = b"\xff" * 32
    table.mark_looked_up(target, 60.0)
    assert table.buckets_to_refresh(659.0, 600.0) == ranges[:-1]
    assert table.buckets_to_refresh(660.0, 600.0) == ranges


def test_a_split_leaves_both_halves_as_stale_as_the_whole_where_the_original_makes_them_fresh():
    whole = kademlia.routing.KBucket(0, 2**256, 4)
    whole.last_updated = -math.inf
    assert whole.split()[0].last_updated > -math.inf

    table = RoutingTable(OWN_ID, 4)
    table.mark_looked_up(hashlib.sha256(b"").digest(), 7.0)
    assert [half.last_updated for half in table.buckets[0].split()] == [7.0, 7.0]
