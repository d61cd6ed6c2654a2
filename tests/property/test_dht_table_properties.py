"""What must hold for every routing table. Where a property is one that the library's own table lacks, a test says so
by running the same property on it."""

import hashlib
from random import Random

import kademlia.routing
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from kademlia.node import Node

from p2preg.base.limits import DHT_PREFIX_PER_BUCKET
from p2preg.dht.contact import Contact
from p2preg.dht.distance import routing_id
from p2preg.dht.table import RoutingTable

K = 20
SHORT = settings(max_examples=60, deadline=None)
FAILS = settings(max_examples=60, deadline=None, phases=[Phase.generate], database=None)


class Original(kademlia.routing.RoutingTable):
    """The library's own table, with nothing changed but the width of the ids and a ping that goes nowhere."""

    def __init__(self, own_id, k):
        super().__init__(None, k, Node(own_id))

    def flush(self):
        self.buckets = [kademlia.routing.KBucket(0, 2**256, self.ksize)]

    def add(self, identity):
        try:
            self.add_contact(Node(identity))
        except AttributeError:  # there is no protocol to ping with: the bucket is full
            return

    def ids(self):
        return [identity for bucket in self.buckets for identity in bucket.nodes]

    def nearest(self, target, k):
        return [node.id for node in self.find_neighbors(Node(target), k)]


class Ours(RoutingTable):
    """Our table, by bare ids."""

    def add(self, identity):
        self.add_contact(Contact(hashlib.sha256(identity).digest(), identity, "127.0.0.1:4010", "", identity), 0.0)

    def ids(self):
        return [contact.routing_id for contact in self.contacts()]

    def nearest(self, target, k):
        return [contact.routing_id for contact in self.closest(target, k)]


# Anywhere in the space: drawn bytes are mostly near zero, where the XOR changes no order.
points = st.integers(0, 2**32).map(lambda seed: Random(seed).randbytes(32))


@st.composite
def id_lists(draw):
    """Up to 300 ids, spread evenly or crowded around one point, as they are near ourselves."""
    rng = Random(draw(st.integers(0, 2**32)))
    size, common_bits = draw(st.integers(0, 300)), draw(st.sampled_from([0, 0, 3, 12]))
    point = rng.getrandbits(256)
    high = point >> (256 - common_bits) << (256 - common_bits)
    return [(high | rng.getrandbits(256 - common_bits)).to_bytes(32) for _ in range(size)]


def closest_is_exact(kind, settings):
    @settings
    @given(own=points, ids=id_lists(), target=points)
    def check(own, ids, target):
        table = kind(own, K)
        for identity in ids:
            table.add(identity)
        goal = int.from_bytes(target)
        truth = sorted(table.ids(), key=lambda each: int.from_bytes(each) ^ goal)[:K]
        assert table.nearest(target, K) == truth

    check()


def what_is_held_is_known(kind, settings):
    edges = st.builds(
        lambda bits, step: (sum(1 << (255 - bit) for bit in bits) + step) % 2**256,
        st.sets(st.integers(0, 3)),
        st.integers(-1, 1),
    )

    @settings
    @given(ids=st.lists(edges.map(lambda number: number.to_bytes(32)), max_size=40))
    def check(ids):
        table = kind(bytes(31) + b"\x07", 2)
        for identity in ids:
            table.add(identity)
        assert all(not table.is_new_node(Node(identity)) for identity in table.ids())
        assert len(table.ids()) == len(dict.fromkeys(table.ids()))

    check()


def test_closest_is_exactly_what_brute_force_finds():
    closest_is_exact(Ours, SHORT)


def test_closest_is_not_exact_in_the_original():
    with pytest.raises(AssertionError):
        closest_is_exact(Original, FAILS)


def test_whoever_is_held_is_known_and_held_once_also_at_the_edges_of_buckets():
    what_is_held_is_known(Ours, SHORT)


def test_the_original_does_not_know_whom_it_holds_at_the_edges_of_buckets():
    with pytest.raises(AssertionError):
        what_is_held_is_known(Original, FAILS)


PEOPLE = [hashlib.sha256(b"%d" % n).digest() for n in range(60)]
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "add", "touch", "remove"]), st.integers(0, 59)), max_size=150
)


def contact(number, network):
    """`network` None: exempt from diversity; otherwise one of a few /24s."""
    host = "127.0.0.1" if network is None else f"192.0.{number % network}.{number}"
    return Contact.of(PEOPLE[number], f"{host}:4010", PEOPLE[number])


def perform(table, action, number, now, network):
    if action == "add":
        table.add_contact(contact(number, network), now)
    elif action == "touch":
        table.touch(PEOPLE[number], now)
    else:
        table.remove(PEOPLE[number])


@SHORT
@given(actions=ACTIONS)
def test_without_diversity_nobody_leaves_who_was_not_removed(actions):
    table = RoutingTable(routing_id(b"own"), 2)
    for now, (action, number) in enumerate(actions):
        before = table.contacts()
        perform(table, action, number, float(now), network=None)
        table.check_invariants()
        gone = set(before) - set(table.contacts())
        assert gone <= ({contact(number, None)} if action == "remove" else set())


@SHORT
@given(actions=ACTIONS, network=st.integers(1, 5))
def test_an_eviction_by_diversity_only_ever_thins_out_a_crowded_prefix(actions, network):
    table = RoutingTable(routing_id(b"own"), 4)
    for now, (action, number) in enumerate(actions):
        before = table.contacts()
        places = {node.contact: bucket for bucket in table.buckets for node in bucket.nodes.values()}
        counts = {each: places[each].count_of(each.prefix) for each in before}
        perform(table, action, number, float(now), network)
        table.check_invariants()
        for gone in set(before) - set(table.contacts()) if action == "add" else ():
            in_table = sum(each.prefix == gone.prefix for each in before)
            assert counts[gone] > DHT_PREFIX_PER_BUCKET or in_table > 10
            assert len(table) == len(before), "someone else took the place"


@SHORT
@given(actions=ACTIONS.map(lambda actions: [each for each in actions if each[0] != "remove"]))
def test_buckets_are_in_the_order_in_which_their_contacts_were_seen(actions):
    table = RoutingTable(routing_id(b"own"), 4)
    for now, (action, number) in enumerate(actions):
        perform(table, action, number, float(now), network=None)
    for bucket in table.buckets:
        seen = [node.seen_at for node in bucket.nodes.values()]
        assert seen == sorted(seen)
