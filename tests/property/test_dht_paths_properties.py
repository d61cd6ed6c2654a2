"""What holds for a lookup over disjoint paths, whatever its peers answer, and in whatever order."""

import hashlib
import heapq
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.limits import LOOKUP_REQUESTS_MAX
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.distance import distance
from p2preg.dht.lookup import Lookup

PATIENCE = 1.0
KEYS = [hashlib.sha256(b"%d" % number).digest() for number in range(301)]
OWN_KEY = KEYS[300]
PEOPLE = [Contact.of(key, "127.0.0.1:4010", key) for key in KEYS[:300]]
SHORT = settings(max_examples=60, deadline=None)

seeds = st.integers(0, 2**32)
path_counts = st.integers(1, 8)


def nearest(target, people, count):
    return heapq.nsmallest(count, people, key=lambda each: distance(each.routing_id, target))


def set_out(rng, paths, known):
    """A lookup of something by one who knows so many others."""
    contacts = rng.sample(PEOPLE, known)
    starts = [contacts[at::paths] for at in range(min(paths, known))]
    return Lookup(rng.randbytes(32), OWN_KEY, starts, DhtConfig(paths=paths), lambda peer: PATIENCE)


def play(search, rng, answer, slowest=0.9):
    """Feed `search` until it is done; `answer(contact)`: whom it names, or None when it hangs. Who was asked, and when
    it ended. `slowest`: how many patiences an answer takes at most."""
    asked, due, now = [], [], 0.0
    while True:
        for contact in search.next(now):
            asked.append(contact)
            named = answer(contact)
            wait = PATIENCE if named is None else rng.uniform(0.0, slowest * PATIENCE)
            heapq.heappush(due, (now + wait, len(asked), contact, named))
            heapq.heappush(due, (now + PATIENCE, -len(asked), contact, None))
        search.check_invariants()
        if search.done:
            return asked, now
        assert due, "a lookup that is not done waits for somebody"
        now, _, contact, named = heapq.heappop(due)
        search.expire(now)
        if named is not None:
            search.on_answer(contact.public_key, named)


@SHORT
@given(seed=seeds, paths=path_counts, known=st.integers(0, 60), hanging=st.sampled_from([0.0, 0.3, 1.0]))
def test_it_ends_soon_and_asks_nobody_twice_even_if_all_lie_or_hang(seed, paths, known, hanging):
    rng = Random(seed)
    search = set_out(rng, paths, known)

    def lie(contact):
        return None if rng.random() < hanging else rng.sample(PEOPLE, 20)

    asked, ended = play(search, rng, lie, slowest=1.5)
    assert len(asked) == len(dict.fromkeys(asked)) == search.result.asked <= LOOKUP_REQUESTS_MAX
    assert ended <= LOOKUP_REQUESTS_MAX * PATIENCE
    if hanging == 1.0:
        assert search.result.closest == ()
        assert ended <= (len(asked) / 20 + 2) * PATIENCE, "it widens when nobody answers"


@SHORT
@given(seed=seeds, paths=path_counts, known=st.integers(0, 60))
def test_nobody_is_asked_who_was_only_named_to_another_path_that_asked_first(seed, paths, known):
    """Each peer is asked by a path that heard of it: from the start, or from one of its own peers."""
    rng = Random(seed)
    search = set_out(rng, paths, known)
    starts = [[key for _, key in path] for path in search._paths]
    named = {}

    def name(contact):
        named[contact.public_key] = rng.sample(PEOPLE, 20)
        return named[contact.public_key]

    play(search, rng, name, slowest=1.5)
    for path, start in zip(search._paths, starts, strict=True):
        mine = [key for key in search._taken if search._taken[key] is path]
        heard = [*start, *(each.public_key for key in mine for each in named[key])]
        assert set(mine) <= set(heard)


@SHORT
@given(seed=seeds, paths=path_counts, known=st.integers(1, 60))
def test_among_honest_peers_who_know_all_it_finds_exactly_the_nearest(seed, paths, known):
    rng = Random(seed)
    search = set_out(rng, paths, known)
    truth = nearest(search.target, PEOPLE, 20)
    play(search, rng, lambda contact: truth)
    assert list(search.result.closest) == truth


@SHORT
@given(seed=seeds, liars=st.integers(0, 3))
def test_one_honest_path_of_four_is_enough(seed, liars):
    """The liars name each other and their friends; only the last path begins with somebody honest."""
    rng = Random(seed)
    honest, target, *friends = rng.sample(PEOPLE, 202)
    friends = nearest(target.routing_id, friends, 200)
    truth = nearest(target.routing_id, PEOPLE, 20)
    starts = [*([friends[-at]] for at in range(1, liars + 1)), [honest]]
    search = Lookup(target.routing_id, OWN_KEY, starts, DhtConfig(), lambda peer: PATIENCE)
    play(search, rng, lambda each: friends[:20] if each in friends else truth)
    assert search.result.found
