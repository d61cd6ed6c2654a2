import pytest
from dht_node import ALICE, BOB, CAROL, MALLORY, OWN_KEY, TARGET, Node
from dht_people import person

from p2preg.base.effects import Connect, Misbehaved, Send
from p2preg.base.events import ConnectFailed, Expired, PeerDown, PeerUp, Received
from p2preg.base.limits import (
    LOOKUPS_MAX,
    LOOKUPS_WAITING_MAX,
    NODES_BYTES_MAX,
)
from p2preg.dht.contact import Contact
from p2preg.dht.effects import Learned, LookupDone
from p2preg.dht.events import ContactSeen, StartLookup
from p2preg.dht.lookup import LookupResult
from p2preg.wire.messages import FindNode, Nodes, Ping, encode_message


def test_a_contact_enters_the_table_when_an_authenticated_exchange_has_shown_it():
    node = Node()
    node.link(ALICE)
    assert node.core.contacts() == [ALICE]
    assert node.core.snapshot() == [ALICE.cell]
    assert node.core.closest(TARGET, 20) == [ALICE]


def test_we_do_not_enter_our_own_table():
    node = Node()
    node.on(ContactSeen(Contact.of(OWN_KEY, "127.0.0.1:4010", OWN_KEY)))
    assert node.core.contacts() == []


def test_contacts_that_are_only_named_do_not_enter_the_table_but_are_learned():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup("token", TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell, ALICE.cell, OWN_KEY, b"bad" + bytes(29)])
    assert node.of(Learned) == [Learned(BOB)]
    assert node.core.contacts() == [ALICE]


# --- answering ------------------------------------------------------------------------------------------------


def test_find_node_is_answered_with_the_nearest_cells_without_the_one_who_asks():
    node = Node()
    people = [person(n) for n in range(30)]
    node.link(*people)
    node.on(Received(people[0].public_key, FindNode(7, people[0].routing_id)))
    nearest = node.core.closest(people[0].routing_id, 21)
    assert nearest[0] == people[0]
    assert node.effects == [Send(people[0].public_key, Nodes(7, [each.cell for each in nearest[1:]]))]


def test_an_answer_fits_a_frame_when_the_cells_are_as_large_as_can_be():
    node = Node()
    node.link(*(person(n, cell_bytes=4096) for n in range(20)), ALICE)
    node.on(Received(ALICE.public_key, FindNode(2**63 - 1, TARGET)))
    [send] = node.of(Send)
    assert len(send.message.cells) == 14
    assert len(encode_message(send.message)) <= NODES_BYTES_MAX + 20


def test_who_did_not_answer_is_not_recommended_until_heard_again():
    node = Node()
    node.link(ALICE, BOB)
    node.on(StartLookup("token", TARGET))
    node.on(PeerDown(BOB.public_key), 0.1)
    node.on(Received(ALICE.public_key, FindNode(1, TARGET)), 0.2)
    assert node.effects == [Send(ALICE.public_key, Nodes(1, []))]
    node.link(BOB, now=0.3)
    node.on(Received(ALICE.public_key, FindNode(2, TARGET)), 0.4)
    assert node.effects == [Send(ALICE.public_key, Nodes(2, [BOB.cell]))]


def test_a_stranger_gets_no_answer_and_leaves_no_trace():
    node = Node()
    node.link(ALICE)
    assert node.on(Received(MALLORY.public_key, FindNode(1, TARGET))) == []
    assert node.on(Received(MALLORY.public_key, Nodes(0, [BOB.cell]))) == []


def test_messages_of_others_are_a_sign_of_life_and_nothing_else():
    node = Node()
    node.link(ALICE)
    assert node.on(Received(ALICE.public_key, Ping(1))) == []


# --- lookups --------------------------------------------------------------------------------------------------


def test_a_linked_peer_is_asked_at_once_and_one_that_is_not_is_dialled_first():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup("token", TARGET))
    request = node.asked[ALICE.public_key]
    assert request.target == TARGET
    node.answer(ALICE, request, [BOB.cell])
    assert node.of(Connect) == [Connect(BOB.public_key)]
    assert node.asked == {}
    node.on(PeerUp(BOB.public_key, True), 0.3)
    node.answer(BOB, node.asked[BOB.public_key], now=0.4)
    closest = tuple(sorted((ALICE, BOB), key=lambda each: int.from_bytes(each.routing_id) ^ int.from_bytes(TARGET)))
    [done] = node.of(LookupDone)
    assert (done.token, done.result.closest, done.result.asked) == ("token", closest, 2)


def test_the_target_is_found_when_it_answers_itself():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup("token", ALICE.routing_id))
    node.answer(ALICE, node.asked[ALICE.public_key])
    assert node.of(LookupDone) == [LookupDone("token", LookupResult((ALICE,), hops=0, asked=1, found=True, depth=1))]


def test_a_lookup_with_an_empty_table_ends_at_once():
    node = Node()
    assert node.on(StartLookup("token", TARGET)) == [LookupDone("token", LookupResult())]


def test_a_peer_that_hangs_is_given_up_at_its_deadline_and_the_lookup_ends():
    node = Node()
    node.link(ALICE, BOB)
    node.on(StartLookup("token", TARGET))
    requests = node.asked
    deadline = node.scheduled["dht", "request", requests[BOB.public_key].request]
    assert deadline == 1.0
    node.answer(ALICE, requests[ALICE.public_key])
    node.on(Expired(("dht", "request", requests[ALICE.public_key].request)), deadline)
    assert node.effects == [], "it was answered in time"
    node.on(Expired(("dht", "request", requests[BOB.public_key].request)), deadline)
    assert node.of(LookupDone)[0].result.closest == (ALICE,)
    assert node.core.statistics().overdue == 1


def test_a_peer_that_cannot_be_dialled_fails_without_waiting_for_the_deadline():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup("token", TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell])
    assert node.scheduled["dht", "request", 1] == pytest.approx(0.1 + 5.0)
    node.on(ConnectFailed(BOB.public_key), 0.2)
    assert node.of(LookupDone)[0].result.closest == (ALICE,)


def test_a_dial_that_fails_after_the_peer_dialled_us_is_no_failure():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup("token", TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell])
    node.on(PeerUp(BOB.public_key, False), 0.2)
    assert BOB.public_key in node.asked
    assert node.on(ConnectFailed(BOB.public_key), 0.3) == []


def test_timeouts_follow_the_measured_round_trip():
    node = Node()
    node.link(ALICE)
    for now, timeout in ((0.0, 1.0), (10.0, 0.3)):
        node.on(StartLookup("token", TARGET), now)
        request = node.asked[ALICE.public_key]
        assert node.scheduled["dht", "request", request.request] == pytest.approx(now + timeout)
        node.answer(ALICE, request, now=now + 0.05)


def test_a_peer_that_did_not_answer_in_time_gets_twice_as_long_next():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup(1, TARGET))
    node.on(Expired(("dht", "request", 0)), 1.0)
    node.on(Expired(("dht", "ping", ALICE.public_key)), 11.0)
    assert node.scheduled == {("dht", "request", 1): 13.0}


def test_a_late_answer_counts_while_the_lookup_runs():
    node = Node()
    node.link(ALICE, CAROL)
    node.on(StartLookup("token", TARGET))
    requests = node.asked
    slow = requests[ALICE.public_key]
    node.answer(CAROL, requests[CAROL.public_key], [BOB.cell])
    node.on(Expired(("dht", "request", slow.request)), 1.0)
    assert not node.of(LookupDone), "it waits for bob, who is being dialled"
    node.answer(ALICE, slow, [MALLORY.cell], now=1.5)
    assert node.of(Connect) == [Connect(MALLORY.public_key)]


def test_an_answer_that_comes_after_its_lookup_has_ended_is_a_stray():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup("token", TARGET))
    slow = node.asked[ALICE.public_key]
    node.on(Expired(("dht", "request", slow.request)), 1.0)
    assert node.of(LookupDone)
    assert node.answer(ALICE, slow, [BOB.cell], now=1.5) == []
    assert node.core.statistics().strays == 1
    assert node.core.statistics().failing == 0, "it is alive after all"


def test_an_answer_to_what_was_never_asked_or_asked_of_another_is_misbehaviour():
    node = Node()
    node.link(ALICE, MALLORY)
    node.on(Received(MALLORY.public_key, Nodes(0, [BOB.cell])))
    assert node.effects == [Misbehaved(MALLORY.public_key, "it answers FindNode 0, which it was not sent")]
    node.on(StartLookup("token", TARGET))
    request = node.asked[ALICE.public_key]
    node.on(Received(MALLORY.public_key, Nodes(request.request, [BOB.cell])))
    assert [effect.peer for effect in node.effects] == [MALLORY.public_key]
    assert node.answer(ALICE, request, [BOB.cell]), "alice's answer still counts"


def test_a_peer_that_failed_rests_before_it_is_asked_again():
    node = Node()
    node.link(ALICE)
    node.on(StartLookup(1, TARGET))
    node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell])
    node.on(ConnectFailed(BOB.public_key), 0.2)
    for token, now, dialled in ((2, 1.0, []), (3, 10.3, [Connect(BOB.public_key)])):
        node.on(StartLookup(token, TARGET), now)
        node.answer(ALICE, node.asked[ALICE.public_key], [BOB.cell], now)
        assert node.of(Connect) == dialled


def test_lookups_beyond_the_cap_wait_and_beyond_that_are_refused():
    node = Node()
    node.link(ALICE)
    for token in range(LOOKUPS_MAX + LOOKUPS_WAITING_MAX):
        assert not any(isinstance(effect, LookupDone) for effect in node.on(StartLookup(token, TARGET)))
    statistics = node.core.statistics()
    assert (statistics.running, statistics.waiting, statistics.requests) == (
        LOOKUPS_MAX,
        LOOKUPS_WAITING_MAX,
        LOOKUPS_MAX,
    )
    assert node.on(StartLookup("refused", TARGET)) == [LookupDone("refused", LookupResult())]
    assert node.core.statistics().refused == 1

    node.on(PeerDown(ALICE.public_key), 0.1)
    assert [done.token for done in node.of(LookupDone)] == list(range(LOOKUPS_MAX + LOOKUPS_WAITING_MAX))
