from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_network import Network, degrees, everybody

from p2preg.base.effects import Connect, Send
from p2preg.base.limits import RING_MAX
from p2preg.wire.messages import Shuffle, ShuffleReply


def grown(seed: int, size: int, seeds_only: bool = False, sticky: bool = False, slowest: float = 0.1) -> Network:
    """All start at once, knowing either everybody (replicated cells) or the first alone (a seed list)."""
    return started(Network(seed, sticky=sticky, jitter=0.2, slowest=slowest), size, seeds_only)


def started(network: Network, size: int, seeds_only: bool = False) -> Network:
    ids = [network.add(number) for number in range(size)]
    for node in ids:
        network.introduce(node, *(ids[:1] if seeds_only else ids))
    return network


@pytest.mark.parametrize("size", [2, 3, 5, 9])
@pytest.mark.parametrize("seeds_only", [False, True])
def test_a_small_network_is_a_full_mesh_within_three_seconds(size: int, seeds_only: bool) -> None:
    for seed in range(4):
        network = grown(seed, size, seeds_only)
        network.run(3.0)
        assert network.is_full_mesh()
        assert not network.asymmetric()
        assert network.ring_holds()


@pytest.mark.parametrize("sticky", [False, True])
def test_forty_registries_are_one_network_and_the_ring_holds(sticky: bool) -> None:
    for seed in range(2):
        network = grown(seed, 40, sticky=sticky)
        network.run(10.0)
        assert network.is_connected()
        network.run(45.0)
        assert network.is_connected()
        assert network.ring_holds()
        assert not network.asymmetric()
        assert degrees(network)[0] >= 4
        assert sum(degrees(network)) >= 40 * 7
        for core in everybody(network):
            assert len(core.active) <= 8
            assert len(core.neighbours) <= 8 + RING_MAX


def test_more_than_the_inbound_share_have_places_only_where_nobody_could_be_dialled_instead() -> None:
    network = Network(1, jitter=0.2)
    network.config = replace(network.config, near_wanted=0, near_max=0)
    started(network, 40).run(60.0)
    share = network.config.inbound_max
    over = [core for core in everybody(network) if core.statistics().inbound > share]
    assert len(over) <= 10
    with_room = [
        peer
        for peer, node in network.nodes.items()
        if len(node.core.active) < network.config.active_max and node.core.statistics().inbound < share
    ]
    assert not any(peer not in core.neighbours for core in over for peer in with_room)


def test_forty_newcomers_find_each_other_through_one_seed() -> None:
    network = grown(1, 40, seeds_only=True)
    network.run(30.0)
    assert network.is_connected()
    assert not network.asymmetric()
    assert degrees(network)[0] >= 4


@pytest.mark.parametrize("size", [3, 9])
def test_a_full_mesh_is_quiet_but_for_shuffles(size: int) -> None:
    network = grown(1, size)
    network.run(30.0)
    network.trace.clear()
    dials = network.dials
    network.run(150.0)
    messages = [effect.message for _, _, effect in network.trace if isinstance(effect, Send)]
    assert messages
    assert all(isinstance(message, Shuffle | ShuffleReply) for message in messages)
    assert len(messages) <= size * (120 / 20 / 0.75 + 1) * 7  # six steps and a reply
    assert network.dials == dials


def test_a_large_network_calms_down() -> None:
    network = grown(1, 40)
    network.run(240.0)
    network.trace.clear()
    dials = network.dials
    network.run(300.0)
    others = [
        effect
        for _, _, effect in network.trace
        if isinstance(effect, Send) and not isinstance(effect.message, Shuffle | ShuffleReply)
    ]
    assert len(others) / 40 / 60 < 0.05  # a message in 20 s from each
    assert (network.dials - dials) / 40 / 60 < 0.02


@pytest.mark.parametrize("size", [9, 40])
def test_half_the_network_crashes_and_the_rest_repairs_within_ten_seconds(size: int) -> None:
    for seed in range(2):
        network = grown(seed, size)
        network.run(45.0)
        dead = network.rng.sample(list(network.nodes), size // 2)
        for node in dead:
            network.crash(node)
        network.run(46.0)
        assert not any(peer in dead for core in everybody(network) for peer in core.neighbours)
        network.run(55.0)
        assert network.is_connected()
        if size == 9:
            assert network.is_full_mesh()
        else:
            assert degrees(network)[0] >= 4
            assert sum(degrees(network)) >= len(network.nodes) * 6
        network.run(100.0)
        assert network.ring_holds()
        assert not network.asymmetric()


def test_the_dead_are_dialled_ever_more_rarely() -> None:
    network = grown(1, 9)
    network.run(30.0)
    for node in list(network.nodes)[:4]:
        network.crash(node)
    counts = []
    for until in (60.0, 90.0, 300.0, 330.0):
        before = network.dials
        network.run(until)
        counts.append(network.dials - before)
    assert counts[0] > counts[1] > counts[3]
    assert counts[3] <= 5 * 4  # each of the five dials each of the dead once in half a minute at most


def test_a_node_that_all_left_finds_back_when_they_return() -> None:
    network = grown(1, 4)
    network.run(10.0)
    alone, *others = network.nodes
    for node in others:
        network.crash(node)
    network.run(120.0)
    assert network.nodes[alone].core.neighbours == ()
    for number in (1, 2, 3):
        back = network.add(number)
        network.introduce(back, back)
    network.run(120.0 + 15.0 + 15.0)  # they know nobody, so it is the one that was alone who finds them
    assert network.is_full_mesh()


def test_a_restarted_node_that_its_neighbours_still_count_is_a_neighbour_again() -> None:
    network = grown(1, 5)
    network.run(10.0)
    node = next(iter(network.nodes))
    others = [peer for peer in network.nodes if peer != node]
    network.crash(node)
    network.run(12.0)
    network.add(0)
    network.introduce(node, *others)
    network.run(18.0)
    assert network.is_full_mesh()
    assert not network.asymmetric()


def test_the_two_halves_of_a_partition_find_each_other_again() -> None:
    network = grown(1, 20)
    network.run(40.0)
    left = list(network.nodes)[:10]
    network.split(left)
    network.run(160.0)
    assert not network.is_connected()
    network.heal()
    network.run(160.0 + 100.0)
    assert network.is_connected()
    assert network.ring_holds()


def test_the_same_seed_gives_the_same_trace() -> None:
    traces = []
    for _ in range(2):
        network = grown(7, 12)
        network.run(40.0)
        network.crash(next(iter(network.nodes)))
        network.run(60.0)
        traces.append(network.trace)
    assert traces[0] == traces[1]
    assert any(isinstance(effect, Connect) for _, _, effect in traces[0])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(2, 14),
    sticky=st.booleans(),
    slowest=st.sampled_from([0.1, 1.5, 3.0]),
    cuts=st.lists(st.tuples(st.floats(0.05, 6.0), st.integers(0, 1_000)), max_size=12),
)
def test_both_ends_agree_once_it_is_quiet(
    seed: int, size: int, sticky: bool, slowest: float, cuts: list[tuple[float, int]]
) -> None:
    """Links break amid handshakes, and answers take longer than anybody waits."""
    network = grown(seed, size, sticky=sticky, slowest=slowest)
    for at, which in sorted(cuts):
        network.run(at)
        if pairs := network.pairs:
            network.cut(pairs[which % len(pairs)])
    network.run(40.0)
    network.settle()
    assert not network.asymmetric()
    assert network.is_connected() or slowest > 0.1
