import asyncio
from random import Random

from dht_people import tiny
from kademlia.crawling import NodeSpiderCrawl
from kademlia.node import Node

from p2preg.base.limits import LOOKUP_CANDIDATES_MAX, LOOKUP_REQUESTS_MAX
from p2preg.dht.config import DhtConfig
from p2preg.dht.lookup import Lookup, LookupResult

TARGET = bytes(32)
OWN_KEY = b"o" * 32
DEADLINE = 1.0


def lookup(seeds, target=TARGET, **numbers):
    """One path, as in the Kademlia paper."""
    return Lookup(target, OWN_KEY, [list(seeds)], DhtConfig(paths=1, **numbers), lambda peer: DEADLINE)


def candidates(search):
    return {key: path[key] for path in search._paths for _, key in path}


def run(search, ask, latency=0.1, seconds=1000.0):
    """Feed `search` from `ask(contact)`: its contacts, or None when it hangs. When it ended, and how often it asked."""
    flights, asked, now = [], 0, 0.0
    while not search.done and now < seconds:
        for contact in search.next(now):
            asked += 1
            answer = ask(contact)
            flights.append((now + (DEADLINE if answer is None else latency), asked, contact, answer))
        now, _, contact, answer = flights.pop(flights.index(min(flights, key=lambda each: each[:2])))
        search.expire(now)
        if answer is not None:
            search.on_answer(contact.public_key, answer)
    return now, asked


def test_it_asks_the_alpha_nearest_first():
    far, near, nearer, nearest = (tiny(n) for n in (0b1000, 0b0100, 0b0010, 0b0001))
    search = lookup([far, near, nearer, nearest])
    assert search.next(0.0) == [nearest, nearer, near]
    assert search.next(0.0) == []


def test_an_answer_that_brings_something_nearer_frees_one_place():
    seeds = [tiny(n) for n in (0x80, 0x81, 0x82, 0x83, 0x84)]
    search = lookup(seeds)
    search.next(0.0)
    search.on_answer(seeds[0].public_key, [tiny(0x10)])
    assert search.next(0.0) == [tiny(0x10)]


def test_an_answer_that_brings_nothing_nearer_widens_the_lookup_to_k():
    seeds = [tiny(n) for n in range(0x80, 0x8A)]
    search = lookup(seeds, k=8)
    search.next(0.0)
    search.on_answer(seeds[0].public_key, [tiny(0xF0)])
    assert search.next(0.0) == seeds[3:8], "the nearest eight, and no more"


def test_a_failure_and_a_deadline_widen_it_too_for_where_one_is_dead_there_are_more():
    seeds = [tiny(n) for n in range(0x80, 0x8C)]
    failed, overdue = lookup(seeds, k=8), lookup(seeds, k=8)
    for search in (failed, overdue):
        search.next(0.0)
    failed.on_failure(seeds[0].public_key)
    assert failed.next(0.1) == seeds[3:9]
    overdue.expire(DEADLINE)
    assert overdue.next(DEADLINE) == seeds[3:11]


def test_progress_narrows_it_again():
    seeds = [tiny(n) for n in range(0x80, 0x8A)]
    search = lookup(seeds, k=8)
    search.next(0.0)
    search.on_answer(seeds[0].public_key, [])
    search.on_answer(seeds[1].public_key, [tiny(0x10), tiny(0x11), tiny(0x12), tiny(0x13)])
    assert search.next(0.0) == [tiny(0x10), tiny(0x11)], "one of the first three is still waited for"


def test_it_ends_when_the_k_nearest_that_may_be_alive_have_answered():
    one, two, three = (tiny(n) for n in (1, 2, 3))
    search = lookup([one, two, three], k=2, alpha=2)
    assert search.next(0.0) == [one, two]
    search.on_answer(one.public_key, [])
    assert not search.done
    search.on_failure(two.public_key)
    assert search.next(0.0) == [three]
    search.on_answer(three.public_key, [])
    assert search.done
    assert search.result == LookupResult((one, three), hops=0, asked=3, found=False, depth=1)


def test_a_lookup_that_knows_nobody_is_done_at_once_with_nothing():
    search = lookup([])
    assert search.next(0.0) == []
    assert search.done
    assert search.result == LookupResult()


def test_a_late_answer_still_counts():
    alice, bob, carol = tiny(1), tiny(2), tiny(3)
    search = lookup([alice, bob])
    search.next(0.0)
    search.expire(DEADLINE)
    assert search.done
    search.on_answer(alice.public_key, [carol])
    assert search.next(1.5) == [carol]
    search.on_answer(carol.public_key, [])
    assert search.result.closest == (alice, carol)


def test_nobody_is_given_up_before_the_deadline():
    search = lookup([tiny(1)])
    search.next(5.0)
    search.expire(5.0 + DEADLINE - 0.001)
    assert not search.done
    search.expire(5.0 + DEADLINE)
    assert search.done


def test_hops_are_the_peers_that_led_to_the_nearest():
    far, middle, near = tiny(0x80), tiny(0x20), tiny(0x00)
    search = lookup([far])
    for contact, named in ((far, [middle]), (middle, [near]), (near, [far, middle])):
        assert search.next(0.0) == [contact]
        search.on_answer(contact.public_key, named)
    assert search.result == LookupResult((near, middle, far), hops=2, asked=3, found=True, depth=3)


def test_answers_of_strangers_and_second_answers_change_nothing():
    alice, mallory = tiny(1), tiny(6)
    search = lookup([alice, tiny(3), tiny(4), mallory], k=3)
    search.next(0.0)
    search.on_answer(mallory.public_key, [tiny(0)])
    search.on_answer(tiny(5).public_key, [tiny(0)])
    search.on_answer(alice.public_key, [])
    search.on_answer(alice.public_key, [tiny(0)])
    assert tiny(0) not in search.next(0.0)


def test_of_an_answer_at_most_k_contacts_are_heard_and_ourselves_never():
    oneself = type(tiny(0))(OWN_KEY, TARGET, "127.0.0.1:4010", "", b"")
    alice = tiny(0xFF)
    search = lookup([alice], k=3)
    search.next(0.0)
    search.on_answer(alice.public_key, [oneself, tiny(5), tiny(5), tiny(4)])
    assert search.next(0.0) == [tiny(5)], "ourselves and a duplicate used the three up"


def test_ids_of_equal_distance_in_all_but_the_last_bits_and_leading_zeros_are_ordered():
    people = [tiny(0, rest=bytes(n) + b"\x07" * (31 - n)) for n in range(20)]
    search = lookup(people)
    assert run(search, lambda contact: people)[1] == 20
    assert search.result.closest == tuple(reversed(people))


# --- the hanging and the lying --------------------------------------------------------------------------------


def test_one_hanging_peer_costs_one_deadline_and_stalls_nobody():
    people = [tiny(n) for n in range(60)]
    mallory = people[3]
    search = lookup(people[40:])
    ended, _ = run(search, lambda contact: None if contact is mallory else people[:20])
    assert ended <= DEADLINE + 0.3
    assert search.result.closest == (*people[:3], *people[4:20], people[40])


def test_the_original_crawl_asks_nobody_else_while_one_peer_hangs_where_ours_goes_on():
    ids = [bytes([n]) + bytes(31) for n in range(60)]
    asked = []

    class Protocol:
        """Answers at once with the twenty nearest; the first that is asked hangs."""

        async def call_find_node(self, peer, target):
            asked.append(peer)
            if len(asked) == 1:
                await asyncio.Event().wait()
            return True, [(each, "127.0.0.1", 4010) for each in ids[:20]]

    async def crawl():
        seeds = [Node(each, "127.0.0.1", 4010) for each in ids[40:]]
        task = asyncio.ensure_future(NodeSpiderCrawl(Protocol(), Node(TARGET), seeds, 20, 3).find())
        for _ in range(200):
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(crawl())
    assert len(asked) == 3, "its round is three, and waits for all"

    people = [tiny(n) for n in range(60)]
    search = lookup(people[40:])
    reached = []
    run(search, lambda each: reached.append(each) or (None if len(reached) == 1 else people[:20]), seconds=DEADLINE)
    assert len(reached) > 20


def test_a_lookup_ends_when_all_hang_within_a_few_deadlines():
    search = lookup([tiny(n) for n in range(100)])
    ended, asked = run(search, lambda contact: None)
    assert asked == LOOKUP_REQUESTS_MAX
    assert ended <= (1 + LOOKUP_REQUESTS_MAX / 20) * DEADLINE + 1e-9
    assert search.result == LookupResult(asked=asked)


def test_a_lookup_ends_when_all_lie_and_always_know_someone_nearer():
    rng = Random(1)
    bound = [2**255]

    def nearer(contact):
        bound[0] = bound[0] * 15 // 16
        ids = [(bound[0] + n).to_bytes(32) for n in range(20)]
        return [tiny(each[0], rest=each[1:]) for each in ids]

    search = lookup([tiny(rng.randrange(256)) for _ in range(5)])
    ended, asked = run(search, nearer)
    assert asked == LOOKUP_REQUESTS_MAX
    assert ended < LOOKUP_REQUESTS_MAX * DEADLINE


def test_candidates_are_bounded_and_the_farthest_that_was_not_asked_go():
    crowd = [tiny(0xF0, rest=n.to_bytes(31)) for n in range(2 * LOOKUP_CANDIDATES_MAX)]
    search = lookup(reversed(crowd))
    assert len(candidates(search)) == LOOKUP_CANDIDATES_MAX
    assert all(each.public_key in candidates(search) for each in crowd[:LOOKUP_CANDIDATES_MAX])


def test_who_was_asked_is_kept_when_candidates_are_dropped():
    alice, *crowd = [tiny(0xFF), *(tiny(0x80, rest=n.to_bytes(31)) for n in range(20 * 20))]
    search = lookup([alice])
    search.next(0.0)
    search.on_answer(alice.public_key, crowd[-20:])
    while crowd:
        for each in search.next(0.0):
            search.on_answer(each.public_key, crowd[-20:])
            del crowd[-20:]
    assert len(candidates(search)) == LOOKUP_CANDIDATES_MAX
    assert alice.public_key in candidates(search)
