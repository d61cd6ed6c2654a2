"""Small versions of the broadcast's experiments, with the bars of the great ones."""

from __future__ import annotations

import pytest

from p2preg.overlay.config import OverlayConfig
from p2preg.sim.mesh.mesh import Mesh, uniform_latency
from p2preg.sim.scenario import Outcome, Scenario, Setting
from p2preg.sim.scenarios import broadcast, steady
from p2preg.sim.scenarios.broadcast import BROADCAST, BROADCAST_LOSS, WITH_LOSS, hold_to
from p2preg.sim.scenarios.steady import STEADY, Totals

NODES = 50


def run_small(scenario: Scenario) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broadcast, "ORIGINS", 30)
        patch.setattr(broadcast, "SENDING_SECONDS", 3.0)
        patch.setattr(broadcast, "WARM_SECONDS", 2.0)
        patch.setattr(steady, "OVERLAY_SECONDS", 300.0)
        patch.setattr(steady, "MINUTES", 3)
        patch.setattr(steady, "RESTING", 1)
        return scenario.run(Setting(NODES, seed=1))


@pytest.fixture(scope="module")
def quiet() -> Outcome:
    return run_small(BROADCAST)


@pytest.fixture(scope="module")
def lossy() -> Outcome:
    return run_small(BROADCAST_LOSS)


def test_one_tree_per_origin_sends_no_copy_too_much_and_is_hardly_slower_than_flooding(quiet: Outcome) -> None:
    figures = {name: float(value) for name, value in quiet.figures.items()}
    assert figures["redundancy"] <= 0.05
    assert figures["reliability"] == 1.0
    assert figures["delivery_p99_ms"] <= min(250.0, 1.5 * figures["flooding_delivery_p99_ms"])
    assert figures["flooding_redundancy"] > 5.0


def test_one_tree_for_all_is_slower_and_sends_more(quiet: Outcome) -> None:
    figures = {name: float(value) for name, value in quiet.figures.items()}
    assert figures["shared_tree_redundancy"] > figures["redundancy"] + 0.1
    assert figures["shared_tree_delivery_p50_ms"] > 1.5 * figures["delivery_p50_ms"]


def test_what_loss_takes_comes_by_graft(lossy: Outcome) -> None:
    figures = {name: float(value) for name, value in lossy.figures.items()}
    assert figures["grafts_and_prunes_per_delivery"] > 0, "the loss had no effect"
    assert figures["reliability"] == 1.0
    assert figures["redundancy"] <= 0.15
    assert figures["delivery_p99_ms"] <= 900.0


def test_the_propagation_is_drawn(quiet: Outcome) -> None:
    [picture] = quiet.pictures
    assert "one tree for all" in picture.svg


def test_the_same_seed_gives_the_same_run(quiet: Outcome, lossy: Outcome) -> None:
    assert run_small(BROADCAST_LOSS) == lossy
    assert lossy.trace_hash != quiet.trace_hash


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("redundancy", 0.16, "redundant copies"),
        ("delivery_p99_ms", 901.0, "99 % of the deliveries"),
        ("reliability", 0.9998, "was delivered"),
    ],
)
def test_a_figure_beyond_its_bar_fails_the_run(lossy: Outcome, name: str, value: float, message: str) -> None:
    hold_to(WITH_LOSS, lossy.figures)
    with pytest.raises(AssertionError, match=message):
        hold_to(WITH_LOSS, lossy.figures | {name: value})


def test_when_nothing_changes_the_trees_come_to_rest_and_announcements_are_few() -> None:
    figures = {name: float(value) for name, value in run_small(STEADY).figures.items()}
    assert figures["grafts_and_prunes_first_min"] > 0, "no tree was drawn"
    assert figures["redundancy"] <= 0.05
    assert figures["ihaves_per_registry_s"] <= 15.0  # over some ten links, of each of which one end announces


def test_grafts_without_a_lost_link_are_no_rest() -> None:
    totals = [Totals(repairs=9 * minute, accepted=1000 * minute, duplicates=0, links_changed=3) for minute in range(8)]
    with pytest.raises(AssertionError, match="though no link had changed"):
        steady.rest(totals, beats=5)
    busy = [Totals(total.repairs, total.accepted, 0, links_changed=at) for at, total in enumerate(totals)]
    assert steady.rest(busy, beats=5)["redundancy"] == 0


def test_on_long_links_with_jitter_nobody_asks_for_what_is_on_its_way() -> None:
    at_rest = OverlayConfig(near_wanted=0, near_max=0)  # exchanges no links
    mesh = Mesh(3, NODES, latency=uniform_latency(3, 0.020, 0.200), jitter=0.5, overlay=at_rest)
    mesh.introduce()
    mesh.run(60.0)
    mesh.hold_origins(mesh.peers)
    mesh.heartbeats(5.0, mesh.now + 60.0)
    mesh.run(30.0)
    grafts = sum(peer.broadcast.statistics().grafts_sent for peer in mesh.peers)
    accepted = sum(peer.broadcast.statistics().accepted for peer in mesh.peers)
    mesh.run(35.0)
    statistics = [peer.broadcast.statistics() for peer in mesh.peers]
    deliveries = sum(each.accepted for each in statistics) - accepted
    assert deliveries > 4_000
    assert sum(each.grafts_sent for each in statistics) - grafts <= 0.001 * deliveries
