import pytest
from dht_node import ALICE, BOB, CAROL, OWN_ID, TARGET, Node, read_cell
from dht_people import people_in, person

from p2preg.base.effects import Connect, Disconnect, Schedule, Send
from p2preg.base.events import ConnectFailed, Expired, PeerDown, PeerUp, Received
from p2preg.base.limits import (
    DHT_ANCHORS_MAX,
    DHT_DIALLED_MAX,
    DHT_PEERS_MAX,
    DHT_REQUESTS_MAX,
    LOOKUP_REQUESTS_MAX,
    LOOKUPS_MAX,
)
from p2preg.dht import asker as asker_module
from p2preg.dht.effects import LookupDone
from p2preg.dht.events import Bootstrap, ContactSeen, StartLookup
from p2preg.dht.lookup import LookupResult
from p2preg.wire.messages import FindNode, Ping

# --- links ----------------------------------------------------------------------------------------------------


def test_a_link_dialled_for_a_lookup_is_given_up_after_a_while_without_use():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup(1, TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell])
    node.link(BOB, now=0.2)
    node.answer(BOB, FindNode(1, TARGET), now=0.3)
    link = ("dht", "link", BOB.public_key)
    assert node.scheduled[link] == pytest.approx(60.3)

    node.on(StartLookup(2, TARGET), 60.0)
    request = node.asked[BOB.public_key]
    assert node.on(Expired(link), 60.3) == [], "it is in use"
    node.answer(BOB, request, now=60.4)
    assert node.scheduled[link] == pytest.approx(120.4)
    assert node.on(Expired(link), 120.4) == [Disconnect(BOB.public_key)]


def test_a_peer_that_two_lookups_want_is_dialled_once():
    node = Node()
    node.link(ALICE)
    for token, dialled in ((1, [Connect(BOB.public_key)]), (2, [])):
        node.on(StartLookup(token, TARGET))
        node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell])
        assert node.of(Connect) == dialled
    node.on(PeerUp(BOB.public_key, True), 0.3)
    assert [effect.message.request for effect in node.of(Send)] == [1, 3]


def test_a_dialled_link_that_went_down_is_not_held_any_more():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup(1, TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell])
    assert node.core.statistics().dialled == 1
    node.on(PeerUp(BOB.public_key, True), 0.3)
    node.on(PeerDown(BOB.public_key), 0.4)
    assert node.core.statistics().dialled == 0


def test_a_link_that_others_made_is_not_ours_to_give_up():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup(1, TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key])
    assert ("dht", "link", ALICE.public_key) not in node.scheduled
    assert node.on(Expired(("dht", "link", ALICE.public_key)), 100.0) == []


def test_at_the_cap_of_dialled_links_an_idle_one_goes_and_without_one_the_ask_fails(monkeypatch):
    monkeypatch.setattr(asker_module, "DHT_DIALLED_MAX", 1)
    node = Node()
    node.link(ALICE)
    node.on(StartLookup(1, TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell])
    assert node.of(Connect) == [Connect(BOB.public_key)]

    node.on(StartLookup(2, TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [CAROL.cell])
    assert [done.result.closest for done in node.of(LookupDone)] == [(ALICE,)], "nothing is idle, so carol is not asked"

    node.on(PeerUp(BOB.public_key, True))
    node.answer(BOB, node.asked[BOB.public_key])
    node.on(StartLookup(3, TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [CAROL.cell], now=20.0)
    assert node.effects[-3:-1] == [Disconnect(BOB.public_key), Connect(CAROL.public_key)]
    assert DHT_DIALLED_MAX >= (LOOKUPS_MAX + 1) * 20, "as many as the lookups of one registry wait for"


def test_requests_are_bounded_and_a_lookup_without_room_ends(monkeypatch):
    monkeypatch.setattr(asker_module, "DHT_REQUESTS_MAX", 2)
    node = Node()
    node.link(ALICE, BOB, CAROL)
    node.on(StartLookup(1, TARGET))
    assert len(node.asked) == 2
    node.on(StartLookup(2, TARGET))
    assert node.of(LookupDone) == [LookupDone(2, LookupResult(asked=3))]
    assert DHT_REQUESTS_MAX > (LOOKUPS_MAX + 1) * LOOKUP_REQUESTS_MAX, "the lookups of one registry fit"


def test_links_known_are_bounded():
    node = Node()
    for number in range(DHT_PEERS_MAX + 5):
        node.core.handle(PeerUp(person(number).public_key, False), 0.0)
    assert node.core.statistics().links == DHT_PEERS_MAX


# --- liveness -------------------------------------------------------------------------------------------------


def full_far_bucket(node, now=0.0):
    """Twenty-one people of one bucket that is full with twenty of them, all linked: the members and the newcomer."""
    near = [each for each in people_in(1, 900) if each.routing_id[0] >> 3 == 0b11111]
    node.link(*near[:20], now=now)
    return near[:20], near[20]


def split_up(node):
    """Fill the table so that the far half has split to the depth of five bits."""
    node.link(*people_in(1, 300, start=100_000))


def test_a_newcomer_to_a_full_bucket_has_the_one_seen_longest_ago_pinged():
    node = Node()
    members, newcomer = full_far_bucket(node)
    split_up(node)
    node.on(ContactSeen(newcomer), 100.0)
    assert newcomer not in node.core.contacts(), "the bucket was full"
    [(peer, request)] = node.asked.items()
    assert peer == members[0].public_key
    assert node.on(ContactSeen(newcomer), 100.0) == [], "the ping is under way"
    assert request.target == OWN_ID
    node.answer(members[0], request, now=100.1)
    assert members[0] in node.core.contacts(), "an old live contact wins"

    node.on(ContactSeen(newcomer), 100.2)
    assert list(node.asked) == [members[1].public_key], "the one that answered is now seen last"


def test_a_contact_heard_lately_is_not_pinged_to_make_room():
    node = Node()
    _, newcomer = full_far_bucket(node)
    split_up(node)
    assert node.on(ContactSeen(newcomer), 59.0) == []


def test_a_contact_is_evicted_after_two_failures_in_a_row_and_a_replacement_takes_its_place():
    node = Node()
    members, newcomer = full_far_bucket(node)
    split_up(node)
    old = members[0]
    node.on(ContactSeen(newcomer), 100.0)
    first = node.asked[old.public_key]
    node.on(Expired(("dht", "request", first.request)), 101.0)
    ping = ("dht", "ping", old.public_key)
    assert node.scheduled == {ping: 111.0}
    assert old in node.core.contacts()
    node.on(Received(ALICE.public_key, Ping(1)), 105.0)
    node.on(Received(members[1].public_key, Ping(1)), 105.0)
    node.on(Expired(ping), 111.0)
    second = node.asked[old.public_key]
    node.on(Expired(("dht", "request", second.request)), 113.0)
    assert old not in node.core.contacts()
    assert newcomer in node.core.contacts()
    assert node.core.statistics().evicted == 1


def test_a_contact_that_answers_the_second_ping_stays():
    node = Node()
    node.link(ALICE, BOB)
    node.on(StartLookup(1, TARGET))
    node.on(Expired(("dht", "request", node.asked[ALICE.public_key].request)), 1.0)
    ping = ("dht", "ping", ALICE.public_key)
    node.on(Expired(ping), 11.0)
    node.answer(ALICE, node.asked[ALICE.public_key], now=11.1)
    assert node.on(Expired(ping), 12.0) == [], "it has no failure any more"
    assert ALICE in node.core.contacts()


def test_a_registry_that_hears_nobody_keeps_its_table():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup(1, TARGET))
    now = 1.0
    node.on(Expired(("dht", "request", node.asked[ALICE.public_key].request)), now)
    for _ in range(5):
        [(ping, now)] = [each for each in node.scheduled.items() if each[0][1] == "ping"]
        node.on(Expired(ping), now)
        request = node.asked[ALICE.public_key]
        now = node.scheduled["dht", "request", request.request]
        node.on(Expired(("dht", "request", request.request)), now)
    assert node.core.contacts() == [ALICE]


# --- upkeep ---------------------------------------------------------------------------------------------------


def answer_all(node, now):
    """Answer what is asked, and what is asked upon that; the targets, in the order asked."""
    targets, pending = {}, dict(node.asked)
    while pending:
        peer, request = pending.popitem()
        targets[request.target] = None
        node.answer(read_cell(peer), request, now=now)
        pending.update(node.asked)
    return list(targets)


def fail_all(node, now):
    """Fail whatever is dialled, and dialled upon that; how many."""
    to_fail, failed = node.of(Connect), 0
    while to_fail:
        node.on(ConnectFailed(to_fail.pop().peer), now)
        failed += 1
        to_fail += node.of(Connect)
    return failed


def test_bootstrap_looks_ourselves_up_first_and_each_stale_bucket_after():
    node = Node()
    node.link(*(person(n) for n in range(60)))
    node.on(Bootstrap())
    assert 480.0 <= node.scheduled["dht", "refresh"] <= 720.0
    targets = answer_all(node, now=0.1)
    assert targets[0] == OWN_ID
    assert len(targets) == node.core.statistics().buckets, "ourselves, and each bucket but our own"
    assert not node.of(LookupDone), "nobody asked for these"


def test_a_bucket_in_which_a_lookup_ended_is_fresh_unless_nobody_answered():
    node = Node()
    people = [person(n) for n in range(60)]
    node.link(*people)
    node.on(Bootstrap())
    every = len(answer_all(node, now=0.1))
    target = b"\xff" * 32
    node.on(StartLookup("answered", target), 300.0)
    answer_all(node, now=300.0)
    node.on(Expired(("dht", "refresh")), 600.0)
    assert len(answer_all(node, now=600.0)) == every - 1

    for each in people:
        node.on(PeerDown(each.public_key), 700.0)
    node.on(StartLookup("unanswered", target), 900.0)
    assert fail_all(node, now=900.0) >= 20
    node.link(*people, now=1000.0)
    node.on(Expired(("dht", "refresh")), 1200.0)
    assert len(answer_all(node, now=1200.0)) == every


def test_a_refresh_that_is_due_while_one_runs_does_not_start_another():
    node = Node()
    node.link(ALICE)
    node.on(Bootstrap())
    assert node.on(Expired(("dht", "refresh")), 600.0) == node.of(Schedule)
    assert node.core.statistics().running == 1


def test_with_an_empty_table_bootstrap_is_tried_again_soon_and_the_first_contact_starts_it():
    node = Node()
    node.on(Bootstrap())
    assert node.scheduled == {("dht", "refresh"): 5.0}
    node.on(PeerUp(ALICE.public_key, True), 1.0)
    node.on(ContactSeen(ALICE), 1.0)
    assert list(node.asked) == [ALICE.public_key]
    assert node.scheduled["dht", "refresh"] > 400.0


def test_the_contacts_of_the_last_run_are_asked_at_bootstrap_and_enter_once_they_were_seen():
    node = Node()
    node.on(Bootstrap((ALICE, BOB)))
    assert {effect.peer for effect in node.of(Connect)} == {ALICE.public_key, BOB.public_key}
    assert node.core.contacts() == []
    node.link(ALICE, now=0.2)
    assert node.core.contacts() == [ALICE]


def test_the_contacts_of_the_last_run_are_bounded():
    node = Node()
    node.on(Bootstrap(tuple(person(n) for n in range(DHT_ANCHORS_MAX + 1))))
    assert fail_all(node, now=0.1) == DHT_ANCHORS_MAX


def test_an_unknown_event_or_timer_is_our_own_bug():
    node = Node()
    with pytest.raises(AssertionError, match="no rule"):
        node.core.handle(object(), 0.0)
    with pytest.raises(AssertionError, match="no rule"):
        node.core.handle(Expired(("dht", "unheard of")), 0.0)
