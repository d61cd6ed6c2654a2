"""A network of registries in virtual time: what lookups find, and how long they take, with crashes and with liars."""

import pytest

from p2preg.base.limits import LOOKUP_REQUESTS_MAX
from p2preg.sim.dht.network import HANG, DhtNetwork
from p2preg.sim.dht.people import person
from p2preg.sim.dht.survey import ask_around, mean, random_questions, recall
from p2preg.wire.messages import Nodes

SIZE = 100


class Network(DhtNetwork):
    """Whose every core is checked whenever time has passed."""

    def __init__(self, size, seed=1):
        super().__init__(map(person, range(size)), seed)

    def run(self, seconds):
        super().run(seconds)
        self.check()


def found(network, lookups):
    """What random lookups come to, and the share of the truth in each."""
    findings = ask_around(network, random_questions(network, lookups), seconds=60)
    return findings, mean([recall(network, each, network.alive()) for each in findings])


@pytest.fixture(scope="module")
def network():
    """One network for the whole story, told by the tests in their order."""
    network = Network(SIZE)
    network.join_all()
    network.run(30)
    return network


def test_without_failures_a_lookup_finds_the_true_nearest(network):
    findings, share = found(network, 30)
    assert share >= 0.99
    assert max(each.result.depth for each in findings) <= 4
    assert mean([each.result.asked for each in findings]) < 30


def test_links_dialled_for_lookups_are_given_up(network):
    network.run(120)
    assert sum(core.statistics().dialled for core in network.cores.values()) == 0
    assert len(network.links) < 4 * SIZE


def test_after_a_crash_of_30_percent_lookups_find_most_and_after_a_refresh_all(network):
    network.crash(network.rng.sample(network.alive(), SIZE * 3 // 10))
    lost = sum(
        person in core.contacts() for core in network.cores.values() for person in map(network.people.get, network.dead)
    )
    assert lost > SIZE, "the tables are full of the dead"
    assert found(network, 30)[1] >= 0.90
    network.run(720)
    assert found(network, 30)[1] >= 0.99


def test_the_same_seed_gives_the_same_network():
    traces = []
    for _ in range(2):
        network = Network(20, seed=7)
        network.join_all()
        traces.append((network.trace.digest(), network.sent, [core.contacts() for core in network.cores.values()]))
    assert traces[0] == traces[1]


@pytest.fixture
def village():
    """Thirty who all know each other."""
    network = Network(30, seed=3)
    network.join_all()
    network.run(30)
    return network


def look_up(network, at, target, seconds):
    """The finding of one lookup, which ends within `seconds`."""
    before = len(network.findings)
    network.look_up(at, target)
    network.run(seconds)
    [finding] = network.findings[before:]
    return finding.result, finding.seconds


def test_a_dead_peer_costs_one_deadline(village):
    alice, *others = village.alive()
    target = village.people[others[0]].routing_id
    _, healthy = look_up(village, alice, target, 10)
    village.liars[others[0]] = lambda at, message: None
    result, seconds = look_up(village, alice, target, 20)
    assert not result.found
    assert len(result.closest) == 20
    assert seconds <= village.config.dial_timeout + healthy + 0.1


def test_a_lookup_ends_when_everybody_hangs(village):
    alice, *others = village.alive()
    village.liars |= dict.fromkeys(others, lambda at, message: None)
    result, seconds = look_up(village, alice, bytes(32), 60)
    assert result.closest == ()
    assert seconds <= 4 * village.config.dial_timeout


def test_a_lookup_ends_when_everybody_lies(village):
    """Each answer names twenty others that nobody has heard of, and that nobody can reach."""
    alice, *others = village.alive()
    strangers = [person(number) for number in range(1000, 4000)]
    village.people |= {each.public_key: each for each in strangers}
    target = int.from_bytes(village.rng.randbytes(32))
    strangers.sort(key=lambda each: -(int.from_bytes(each.routing_id) ^ target))

    def lie(at, message):
        named = [strangers.pop() for _ in range(20)] if len(strangers) > 20 else []
        return Nodes(message.request, [each.cell for each in named])

    village.liars |= dict.fromkeys(others, lie)
    result, seconds = look_up(village, alice, target.to_bytes(32), 120)
    assert result.asked <= LOOKUP_REQUESTS_MAX
    assert seconds < 10 * village.config.dial_timeout
    assert village.config.dial_timeout < HANG, "else dialling the dead would end early"
