"""What honest registries still promise among registries that lie, one lie at a time."""

from __future__ import annotations

import pytest
from sim_scenes import agree, everywhere, formed

from p2preg.base import limits
from p2preg.sim import World, check_host
from p2preg.sim.checks import differing
from p2preg.sim.faults.hostile import Twist
from p2preg.sim.faults.twists import (
    FAR_MS,
    TWISTS,
    AnnouncesNothing,
    Drops,
    Equivocates,
    FakeContacts,
    Forges,
    Replays,
    StampsAhead,
    WrongDigests,
)
from p2preg.sim.host import Host
from p2preg.sim.rest import have_equal_roots, one_sided, parts


def among(twist: type[Twist], seed: int = 1) -> tuple[World, Host, Twist]:
    """Six honest registries and a liar among them, who has had more than a minute to lie."""
    world = formed(seed, 6, check=5)
    liar, lies = world.add_hostile(twist, world.hosts[0])
    world.run(70.0)  # once a minute a batch carries the registry cell
    assert lies.acts > 0
    return world, liar, lies


@pytest.mark.parametrize("name", TWISTS)
def test_changes_reach_all_honest_registries_and_they_stay_neighbours(name: str) -> None:
    twist = TWISTS[name]
    world, _, lies = among(twist)
    lies.is_over = twist.keeps_apart
    nodes = world.register(world.hosts[1], 2) + world.register(world.hosts[2], 1)
    world.run_until(lambda: all(everywhere(world, node, "live") for node in nodes), 3.0)
    nodes[0].leave_socket()
    world.run_until(lambda: everywhere(world, nodes[0], "suspect"), 3.0)
    world.run_until(lambda: agree(world, 3) and have_equal_roots(world.hosts), 30.0)
    assert len(parts(world.hosts)) == 1
    world.run_until(lambda: not one_sided(world.hosts), 10.0)
    assert twist.promise


def test_a_registry_that_forwards_nothing_holds_up_nobody() -> None:
    world, liar, lies = among(Drops)
    assert liar.id in [peer for host in world.hosts for peer in host.node.overlay.neighbours]
    acts = lies.acts
    for host in world.hosts:
        [node] = world.register(host)
        took = world.run_until(lambda node=node: everywhere(world, node, "live"), 2.0)  # type: ignore[misc]
        assert took < 1.0
    world.run(10.0)
    assert lies.acts > acts


def test_of_two_cells_with_one_seq_all_hold_the_same_and_somebody_has_the_evidence() -> None:
    world, liar, lies = among(Equivocates)
    lies.is_over = True
    world.run_until(lambda: not differing(world.hosts), 60.0)
    pairs = [pair for host in world.hosts for pair in host.node.held.evidence()]
    assert pairs
    for lesser, greater in pairs:
        assert (lesser.writer, lesser.seq) == (liar.id, greater.seq)
        assert lesser.raw != greater.raw


def test_what_is_dated_ahead_is_seen_by_nobody_before_its_time() -> None:
    world, liar, _ = among(StampsAhead)
    held = [host.node.held for host in world.hosts]
    assert any(cells.statistics().early for cells in held)
    for host in world.hosts:
        cell = host.node.held.registry(liar.id)
        assert cell is not None, "what it showed in its Hello was dated right"
        assert cell.seq <= host.clock.now_ms + 300_000 < cell.seq + FAR_MS


def test_what_is_said_again_changes_nothing_and_keeps_nobody_alive() -> None:
    world, _, _ = among(Replays)
    gone = world.hosts[3]
    [node] = world.register(gone)
    world.run(5.0)
    gone.crash()
    world.run(60.0)
    assert everywhere(world, node, "unknown")
    assert all(not host.node.registry.homes.heard(gone.id, host.now) for host in world.running)


def test_a_session_with_one_that_makes_up_digests_ends_and_brings_nothing() -> None:
    world, liar, _ = among(WrongDigests)
    failed = sum(host.node.reconcile.statistics().failed for host in world.hosts)
    assert failed > 0
    before = [host.node.held.statistics().registries for host in world.hosts]
    world.run(120.0)
    assert [host.node.held.statistics().registries for host in world.hosts] == before
    shunned = [log for host in world.hosts for _, log in host.logged if log.event == "misbehaved"]
    assert shunned
    assert liar.is_up


def test_contacts_that_do_not_exist_do_not_displace_those_that_do() -> None:
    world, _, _ = among(FakeContacts)
    world.run(120.0)
    honest = dict.fromkeys(host.id for host in world.hosts)
    for host in world.hosts:
        contacts = dict.fromkeys(contact.public_key for contact in host.node.dht.contacts())
        assert honest.keys() - {host.id} <= contacts.keys()
        assert len(contacts) <= len(world.hosts), "nobody is a contact who never answered"
        assert len([peer for peer in host.node.overlay.neighbours if peer in honest]) >= 4


def test_announcements_of_nothing_are_forgotten() -> None:
    world, liar, _ = among(AnnouncesNothing)
    for host in world.hosts:
        assert host.node.broadcast.statistics().missing <= limits.ANNOUNCED_PER_PEER_MAX
    world.network.detach(liar, silent=False)
    world.run(60.0)
    assert all(host.node.broadcast.statistics().missing == 0 for host in world.hosts)


def test_whoever_is_sent_a_forged_cell_parts_from_the_sender_for_a_while() -> None:
    world, liar, _ = among(Forges)
    for host in world.hosts:
        check_host(host)
        assert host.node.held.statistics().registries == 7
    reasons = {log.fields["reason"] for host in world.hosts for _, log in host.logged if log.event == "misbehaved"}
    assert reasons == {"a signature does not hold"}
    assert liar.is_up
