"""Lookups over several disjoint paths: who asks whom, what a liar can spoil, and what all of them find together."""

from dht_node import TARGET as CORE_TARGET
from dht_node import Node
from dht_people import person, tiny

from p2preg.base.limits import LOOKUP_CANDIDATES_MAX, LOOKUP_REQUESTS_MAX
from p2preg.dht.config import DhtConfig
from p2preg.dht.distance import distance
from p2preg.dht.events import StartLookup
from p2preg.dht.lookup import Lookup

TARGET = bytes(32)
OWN_KEY = b"o" * 32
DEADLINE = 1.0


def lookup(*starts, **numbers):
    return Lookup(
        TARGET, OWN_KEY, starts, DhtConfig(**{"paths": 2, "k": 4, "alpha": 1} | numbers), lambda peer: DEADLINE
    )


def test_each_path_asks_what_is_nearest_in_its_own_view():
    search = lookup([tiny(0x10), tiny(0x11)], [tiny(0x80), tiny(0x81)])
    assert search.next(0.0) == [tiny(0x10), tiny(0x80)]


def test_each_path_has_its_own_alpha():
    near, far = [tiny(n) for n in range(0x10, 0x18)], [tiny(n) for n in range(0x80, 0x88)]
    search = lookup(near, far, k=8, alpha=2)
    assert search.next(0.0) == [near[0], far[0], near[1], far[1]]
    search.on_answer(near[0].public_key, [])
    assert search.next(0.1) == near[2:4], "it brought nothing nearer: that path is as wide as it gets, the other is not"


def test_whom_one_path_asks_no_other_asks():
    alice, bob, carol, dave = (tiny(n) for n in (0x80, 0x81, 0x01, 0x02))
    search = lookup([alice], [bob, tiny(0x82)])
    search.next(0.0)
    search.on_answer(alice.public_key, [carol, dave])
    assert search.next(0.1) == [carol]
    search.on_answer(bob.public_key, [carol, dave])
    assert search.next(0.2) == [dave], "carol is taken, so bob's path asks the next"
    for each in (carol, dave):
        search.on_answer(each.public_key, [carol, dave])
    assert search.next(0.3) == []
    assert search.done
    assert search.result.closest == (carol, dave, alice, bob)


def test_a_path_does_not_ask_whom_another_has_asked_in_vain():
    alice, bob, carol = (tiny(n) for n in (0x80, 0x81, 0x01))
    search = lookup([alice], [bob])
    search.next(0.0)
    search.on_answer(alice.public_key, [carol])
    search.next(0.1)
    search.on_failure(carol.public_key)
    search.on_answer(bob.public_key, [carol])
    assert search.next(0.2) == []
    assert search.done


def test_no_path_takes_all_of_the_nearest():
    people = [tiny(n) for n in range(1, 9)]
    search = lookup([tiny(0x80)], [tiny(0x81)], k=8, alpha=4)
    first, second = search.next(0.0)
    search.on_answer(first.public_key, people)
    search.on_answer(second.public_key, people)
    assert search.next(0.1) == people
    assert [path.asked for path in search._paths] == [5, 5]


def test_when_the_paths_have_nobody_left_the_nearest_that_any_has_heard_of_are_asked():
    near, far = [tiny(n) for n in range(1, 5)], [tiny(0x80), tiny(0x81)]
    search = lookup(near, far, alpha=2)
    assert search.next(0.0) == [near[0], far[0], near[1], far[1], near[3], near[2]]
    for each in (*near, *far):
        assert not search.done
        search.on_answer(each.public_key, [])
    assert search.done
    assert search.result.closest == tuple(near), "what the other path has found is farther"


def test_a_peer_that_hangs_on_one_path_does_not_hold_the_others_up():
    mallory, bob, carol = tiny(0x80), tiny(0x81), tiny(0x01)
    search = lookup([mallory], [bob])
    search.next(0.0)
    search.on_answer(bob.public_key, [carol])
    assert search.next(0.1) == [carol]
    search.on_answer(carol.public_key, [])
    assert not search.done, "mallory still has time"
    search.expire(DEADLINE)
    assert search.done
    assert search.result.closest == (carol, bob)


def test_a_path_that_a_liar_leads_uses_up_its_own_requests_and_no_other():
    mallory, alice, *honest = tiny(0xFF), tiny(0xFE), tiny(0x40), tiny(0x20), tiny(0x00)
    search = lookup([mallory], [alice])
    lies, asked = [tiny(1, rest=n.to_bytes(31)) for n in range(1000)], []
    while chosen := search.next(0.0):
        for each in chosen:
            if each in (alice, *honest):
                search.on_answer(each.public_key, honest)
            else:
                asked.append(each)
                search.on_answer(each.public_key, [lies.pop() for _ in range(4)])
        search.check_invariants()
    assert search.done
    assert len(asked) == LOOKUP_REQUESTS_MAX // 2
    assert search.result.found
    assert sum(len(list(path)) for path in search._paths) <= LOOKUP_CANDIDATES_MAX


def test_one_start_makes_one_path_that_is_as_wide_as_the_paper_says():
    people = [tiny(n) for n in range(1, 9)]
    assert lookup(people, k=8, alpha=8).next(0.0) == people


# --- whom the core lets the paths begin with ------------------------------------------------------------------


def begun(count, **numbers):
    """Whom a registry that knows `count` others asks at once: 0 is the nearest to the target that it knows."""
    node = Node(**numbers)
    people = [person(number) for number in range(count)]
    node.link(*people)
    node.on(StartLookup("token", CORE_TARGET))
    known = sorted(node.core.contacts(), key=lambda each: distance(each.routing_id, CORE_TARGET))
    return [known.index(each) for each in known if each.public_key in node.asked]


def test_one_path_begins_at_the_nearest_and_the_others_in_a_circle_around_them():
    ranks = begun(100)
    assert len(ranks) == DhtConfig().paths * DhtConfig().alpha
    assert sum(rank < 6 for rank in ranks) >= 3
    assert sum(20 <= rank < 60 for rank in ranks) >= 4
    assert max(ranks) < DhtConfig().circle
    assert begun(100, paths=1) == [0, 1, 2]


def test_who_knows_few_has_all_of_them_asked():
    for count in (1, 2, 3, 7):
        assert begun(count) == list(range(count)), "each is on some path"
