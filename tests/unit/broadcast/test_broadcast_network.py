"""The broadcast as a whole, in virtual time on a fixed random overlay."""

from __future__ import annotations

from broadcast_harness import CONTROL, Network

ORIGINS = [0, 7, 14, 21, 28]


def test_every_batch_reaches_everyone_along_trees_without_redundancy() -> None:
    network = Network(40)
    network.burst(ORIGINS, rounds=3)
    network.sent.clear()
    batches = network.burst(ORIGINS, rounds=6)
    network.check()
    assert network.missed(batches) == []
    needed = len(batches) * (network.size - 1)
    assert network.sent["Gossip"] / needed - 1 <= 0.05


def test_once_the_trees_stand_nobody_grafts_or_prunes() -> None:
    network = Network(40, seed=2)
    network.burst(ORIGINS, rounds=3)
    network.sent.clear()
    network.burst(ORIGINS, rounds=4)
    assert [network.sent[name] for name in CONTROL] == [0, 0]


def test_once_the_trees_stand_both_ends_of_a_link_see_it_alike() -> None:
    network = Network(40, seed=3)
    network.burst(ORIGINS, rounds=4)
    edges = 0
    for origin in ORIGINS:
        origin_id = network.keys[origin].public
        for a, b in network.links:
            a_to_b = network.keys[b].public in network.cores[a].eager(origin_id)
            assert a_to_b == (network.keys[a].public in network.cores[b].eager(origin_id))
            edges += a_to_b
    assert edges == len(ORIGINS) * (network.size - 1)


def test_the_tree_is_nearly_as_fast_as_flooding() -> None:
    network = Network(60, seed=4)
    network.burst([0], rounds=2)
    started = network.now
    [batch] = network.burst([0], rounds=1)
    assert max(network.got[batch.batch_id].values()) - started < 0.35


def test_what_loss_takes_comes_by_graft_or_is_reported_as_a_gap() -> None:
    network = Network(40, seed=5, loss=0.01)
    network.burst(ORIGINS, rounds=3)
    batches = network.burst(ORIGINS, rounds=8)
    network.loss = 0.0
    network.burst(ORIGINS, rounds=1)  # shows who lacks something that there was more
    network.run(15.0)
    network.check()
    assert network.sent["Graft"] > 0, "the loss had no effect"
    reported = {(node, gap.origin, at) for node, gap in network.gaps for at in range(gap.low, gap.high + 1)}
    unexplained = [
        (node, batch) for node, batch in network.missed(batches) if (node, batch.origin, batch.counter) not in reported
    ]
    assert unexplained == []
    assert len(network.missed(batches)) <= 0.001 * len(batches) * network.size


def test_the_sudden_death_of_a_third_costs_the_others_no_batch() -> None:
    network = Network(40, seed=6)
    network.burst(ORIGINS, rounds=3)
    victims = network.rng.sample([node for node in range(network.size) if node not in ORIGINS], 12)
    network.kill(victims, noticed_after=1.0)
    batches = network.burst(ORIGINS, rounds=6)
    network.check()
    assert network.sent["Graft"] > 0, "the deaths had no effect"
    assert network.missed(batches) == []


def test_after_the_death_of_a_third_the_trees_come_to_rest_again() -> None:
    network = Network(40, seed=7)
    network.burst(ORIGINS, rounds=3)
    network.kill(list(range(29, 40)), noticed_after=1.0)
    network.burst(ORIGINS, rounds=6)
    network.burst(ORIGINS, rounds=3)  # what was grafted is spared for 2 s, then one of two parents is pruned
    network.sent.clear()
    batches = network.burst(ORIGINS, rounds=4)
    assert [network.sent[name] for name in CONTROL] == [0, 0]
    assert network.sent["Gossip"] == len(batches) * (network.size - 11 - 1)


def test_one_seed_gives_one_trace() -> None:
    def trace() -> list[tuple[float, int, object]]:
        network = Network(20, seed=8, loss=0.02)
        network.burst([0, 7], rounds=3)
        return network.trace

    assert trace() == trace()
