"""The scenarios of `p2preg sim`, one module each, in the order in which they are listed."""

from __future__ import annotations

from p2preg.sim.scenario import Scenario
from p2preg.sim.scenarios.broadcast import BROADCAST, BROADCAST_LOSS
from p2preg.sim.scenarios.crash_half import CRASH_HALF
from p2preg.sim.scenarios.false_deaths import FALSE_DEATHS
from p2preg.sim.scenarios.kademlia import KADEMLIA
from p2preg.sim.scenarios.kademlia_attack import KADEMLIA_ATTACK
from p2preg.sim.scenarios.mass_failure import MASS_FAILURE
from p2preg.sim.scenarios.partition import PARTITION
from p2preg.sim.scenarios.quiet import QUIET
from p2preg.sim.scenarios.regions import REGIONS
from p2preg.sim.scenarios.speed import SPEED
from p2preg.sim.scenarios.steady import STEADY
from p2preg.sim.scenarios.swarm import SWARM

SCENARIOS: tuple[Scenario, ...] = (
    QUIET,
    SWARM,
    BROADCAST,
    BROADCAST_LOSS,
    REGIONS,
    CRASH_HALF,
    MASS_FAILURE,
    STEADY,
    PARTITION,
    FALSE_DEATHS,
    KADEMLIA,
    KADEMLIA_ATTACK,
    SPEED,
)


def scenario_named(name: str) -> Scenario | None:
    """The scenario of that name, None when there is none."""
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)
