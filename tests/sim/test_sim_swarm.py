"""A swarm of faults for each of a few seeds. More of them: `p2preg sim swarm --nodes 10 --seed N`."""

from __future__ import annotations

from random import Random

import pytest

from p2preg.sim.faults.menu import CHOSEN_MAX, CHOSEN_MIN, MENU, choose
from p2preg.sim.faults.swarm import Swarm
from p2preg.sim.scenario import Setting
from p2preg.sim.scenarios.swarm import SWARM


@pytest.mark.parametrize("seed", range(5))
def test_fifty_registries_are_well_again_after_whatever_went_wrong(seed: int) -> None:
    report = Swarm(seed, 50, residents=25, followers=4, seconds=10.0).run()
    assert len(report.took_place) >= CHOSEN_MIN
    assert report.acknowledged > 25


@pytest.mark.parametrize("seed", range(10, 13))
def test_a_few_registries_keep_every_invariant_after_every_event_whatever_goes_wrong(seed: int) -> None:
    Swarm(seed, 4, residents=4, followers=1, seconds=20.0, check=1, codec=True).run()


def test_the_same_seed_is_the_same_swarm() -> None:
    reports = [Swarm(21, 5, residents=3, followers=1, seconds=20.0).run() for _ in range(2)]
    assert reports[0] == reports[1]


def test_seeds_choose_differently_and_every_fault_is_chosen_by_some() -> None:
    plans = [choose(Random(f"{seed} swarm")) for seed in range(100)]
    assert all(CHOSEN_MIN <= len(plan) <= CHOSEN_MAX for plan in plans)
    assert {type(fault) for plan in plans for fault in plan} == set(MENU)
    assert len({fault.name for fault in (kind(Random(0)) for kind in MENU)}) == len(MENU)
    assert all(fault.text() for plan in plans for fault in plan)


def test_the_scenario_says_what_was_done_and_what_came_of_it() -> None:
    outcome = SWARM.run(Setting(nodes=5, seed=3))
    figures = outcome.figures
    assert figures["misses_unexplained"] == figures["acknowledged_lost"] == figures["false_deaths"] == 0
    assert figures["faults"] == sum(name.endswith(" acts") for name in figures)
    assert outcome.events > 1_000
