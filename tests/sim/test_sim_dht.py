"""Networks of DhtCores: that they are the same in every process, that the scenarios can be kept and can fail, and that
the faults of a run take place."""

import pytest

from p2preg.base.events import PeerDown
from p2preg.dht.core import DhtCore
from p2preg.dht.distance import distance
from p2preg.sim.dht.attack import AttackedNetwork
from p2preg.sim.dht.network import HANG, DhtNetwork
from p2preg.sim.dht.people import ground, person
from p2preg.sim.dht.survey import ask_around, mean, nearest, quantile, random_questions, recall
from p2preg.sim.scenario import Setting
from p2preg.sim.scenarios.kademlia import KADEMLIA
from p2preg.sim.scenarios.kademlia_attack import KADEMLIA_ATTACK


def network(size, seed=1, **settings):
    network = DhtNetwork(map(person, range(size)), seed, **settings)
    network.join_all()
    network.run(10.0)
    return network


# --- the network ----------------------------------------------------------------------------------------------


def test_every_core_holds_its_invariants_after_each_of_its_events():
    checked = network(15, check_each=True)
    assert checked.trace.events > 500
    assert all(len(core.contacts()) == 14 for core in checked.cores.values())


def test_a_link_has_two_ends_and_one_latency_each_way():
    alice, bob = person(1).public_key, person(2).public_key
    two = DhtNetwork([person(1), person(2)], 1)
    two.join_all()
    assert list(two.links) == [(bob, alice), (alice, bob)]
    assert 0.01 <= two.delay(alice, bob) == two.delay(bob, alice) <= 0.1


@pytest.mark.parametrize(("silently", "seconds"), [(False, 0.3), (True, HANG)])
def test_dialling_the_dead_fails_soon_when_they_left_and_late_when_they_fell_silent(silently, seconds, monkeypatch):
    people = [person(n) for n in range(3)]
    three = network(3)
    alice, bob, carol = (each.public_key for each in people)
    three.crash([carol] if not silently else [bob, carol])
    told = []
    handle = DhtCore.handle
    monkeypatch.setattr(
        DhtCore, "handle", lambda core, event, now: told.append((event, now)) or handle(core, event, now)
    )
    began = three.now
    three._dial(alice, carol)
    three.run(HANG + 1.0)
    failed = [now for event, now in told if type(event).__name__ == "ConnectFailed"]
    assert len(failed) == 1
    assert failed[0] - began <= seconds + 1e-9
    assert silently == (failed[0] - began == pytest.approx(HANG))


def test_who_leaves_takes_the_links_down_and_who_falls_silent_does_not():
    three = network(3)
    alice, bob, carol = three.cores
    held = list(three.links)
    three.crash([alice])
    assert list(three.links) == [pair for pair in held if alice not in pair]
    three.crash([])
    silent = network(3)
    silent.dead[alice] = True
    silent.apply(alice, PeerDown(bob))
    assert list(silent.links) == held, "and the dead handle nothing"
    assert {bob, carol} == set(silent.alive())


# --- the observer ---------------------------------------------------------------------------------------------


def test_ground_keys_are_nearer_than_any_honest_one():
    victim = person(0)
    keys = ground(victim, 5, tries=5000, first=100)
    others = [person(number) for number in range(1, 20)]
    truth = nearest(victim.routing_id, [*others, *keys], 5)
    assert truth == keys
    assert len({each.prefix for each in [*others, *keys]}) == 24
    assert distance(keys[0].routing_id, victim.routing_id) < distance(keys[-1].routing_id, victim.routing_id)


def test_a_quantile_is_one_of_the_values():
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(range(1, 101), 0.99) == 99
    assert quantile([7], 0.99) == 7


def test_recall_is_the_share_of_the_truth_and_a_lookup_that_does_not_end_is_noticed():
    few = network(30)
    findings = ask_around(few, random_questions(few, 3), 1.0)
    assert [recall(few, each, few.alive()) for each in findings] == [1.0] * 3
    assert recall(few, findings[0], [each.public_key for each in findings[0].result.closest[:5]]) == 1.0
    missed = [key for key in few.alive() if few.people[key] not in findings[0].result.closest]
    assert recall(few, findings[0], missed) == 0.0
    few.crash([few.alive()[0]])
    with pytest.raises(AssertionError, match="1 lookups were begun and 0 ended"):
        ask_around(few, [(next(iter(few.dead)), bytes(32))], 1.0)


# --- the scenarios --------------------------------------------------------------------------------------------


def test_the_standing_the_crashed_and_the_refreshed_network_keep_what_is_promised():
    told = []
    outcome = KADEMLIA.run(Setting(60, 1, lambda share, note: told.append(share)))
    assert outcome.figures["recall"] >= 0.99
    assert outcome.figures["refreshed_recall"] >= 0.99
    assert outcome.figures["crashed_lookup_p99_ms"] > outcome.figures["lookup_p99_ms"], "the dead cost time"
    assert told == sorted(told)
    assert outcome == KADEMLIA.run(Setting(60, 1))


def test_the_scenario_fails_when_lookups_end_too_early(monkeypatch):
    monkeypatch.setattr("p2preg.dht.lookup.LOOKUP_REQUESTS_MAX", 12)
    with pytest.raises(AssertionError, match="of the true nearest"):
        KADEMLIA.run(Setting(60, 1))


def test_several_paths_find_a_surrounded_registry_where_one_path_mostly_does_not():
    net = AttackedNetwork(100, hostile=40, surrounding=40, seed=1)
    net.join_all(acquaintances=3)
    strangers = [key for key in net.alive() if net.victim not in net.cores[key].contacts()]
    findings = ask_around(
        net, [(key, net.victim.routing_id) for key in strangers if net.people[key] != net.victim], 10.0
    )
    found = {
        is_plain: [each.result.found for each in findings if (each.question.at in net.plain) == is_plain]
        for is_plain in (True, False)
    }
    assert mean(found[False]) > 0.8 > 0.2 > mean(found[True]), found


def test_the_attack_scenario_reports_both_and_fails_when_its_bar_is_not_kept(monkeypatch):
    outcome = KADEMLIA_ATTACK.run(Setting(100, 1))
    assert outcome.figures["success"] >= 0.95
    assert outcome.figures["stranger_success"] > 0.9 > 0.5 > outcome.figures["one_path_stranger_success"]
    monkeypatch.setattr("p2preg.sim.scenarios.kademlia_attack.SUCCESS_MIN", 1.01)
    with pytest.raises(AssertionError, match="is promised"):
        KADEMLIA_ATTACK.run(Setting(100, 1))
