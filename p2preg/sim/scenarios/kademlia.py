"""Lookups of random ids in a network of DhtCores: standing, right after 30 % have crashed, and one refresh later.

`recall` is the mean share of the true 20 nearest that a lookup finds. `round_trips` are those that follow one from the
other until the nearest of all has answered; `chain` is the longest such sequence in the whole lookup, which also makes
sure of the others. A link that has to be dialled first takes 1.5 round trips more, which only the milliseconds have."""

from __future__ import annotations

from collections.abc import Sequence

from p2preg.sim.dht.network import DhtNetwork, Finding
from p2preg.sim.dht.people import person
from p2preg.sim.dht.survey import ask_around, mean, quantile, random_questions, recall
from p2preg.sim.scenario import Figures, Outcome, Scenario, Setting

LOOKUPS_MAX = 300  # one for each registry up to this
LOOKUP_SECONDS = 60.0  # over which they are begun
CRASHED_SHARE = 0.3
REST_SECONDS = 30.0  # after the last has joined
RECALL_MIN = 0.99
RECALL_CRASHED_MIN = 0.90
ROUND_TRIPS_MAX = 4


def _run(setting: Setting) -> Outcome:
    network = DhtNetwork(map(person, range(setting.nodes)), setting.seed)
    network.join_all(progress=lambda share: setting.progress(0.5 * share, f"{share:.0%} have joined"))
    network.run(REST_SECONDS)
    standing = _look(setting, network, 0.5, "in the standing network", RECALL_MIN)
    for name in ("round_trips_p99", "chain_p50"):
        assert standing[name] <= ROUND_TRIPS_MAX, f"{name} is {standing[name]}, {ROUND_TRIPS_MAX} or less is promised"

    network.crash(network.rng.sample(network.alive(), round(CRASHED_SHARE * setting.nodes)))
    assert _dead_contacts(network) > setting.nodes, "the tables are full of the dead"
    crashed = _look(setting, network, 0.6, "right after the crash", RECALL_CRASHED_MIN)

    setting.progress(0.7, "one refresh")
    network.run(network.config.refresh_interval * (1 + network.config.refresh_jitter))
    refreshed = _look(setting, network, 0.9, "after one refresh", RECALL_MIN)
    network.check()
    figures: Figures = dict(standing)
    figures |= {f"crashed_{name}": value for name, value in crashed.items()}
    figures |= {f"refreshed_{name}": value for name, value in refreshed.items()}
    return Outcome(figures, network.trace.digest(), network.trace.events)


def _look(setting: Setting, network: DhtNetwork, share: float, when: str, recall_min: float) -> dict[str, float]:
    questions = random_questions(network, min(setting.nodes, LOOKUPS_MAX))
    setting.progress(share, f"{len(questions)} lookups {when}")
    findings = ask_around(network, questions, LOOKUP_SECONDS)
    alive = network.alive()
    found = mean([recall(network, finding, alive) for finding in findings])
    assert found >= recall_min, f"lookups {when} find {found:.3f} of the true nearest, {recall_min} or more is promised"
    return {"recall": round(found, 4), **spent(findings)}


def _dead_contacts(network: DhtNetwork) -> int:
    tables = [network.cores[key].contacts() for key in network.alive()]
    return sum(contact.public_key in network.dead for table in tables for contact in table)


def spent(findings: Sequence[Finding]) -> dict[str, float]:
    """What lookups took, each as median and 99th centile."""
    trips = [finding.result.hops + 1 for finding in findings]
    chains = [finding.result.depth for finding in findings]
    asked = [finding.result.asked for finding in findings]
    waits = [round(1000 * finding.seconds) for finding in findings]
    return {
        "round_trips_p50": quantile(trips, 0.5),
        "round_trips_p99": quantile(trips, 0.99),
        "chain_p50": quantile(chains, 0.5),
        "chain_p99": quantile(chains, 0.99),
        "requests_p50": quantile(asked, 0.5),
        "requests_p99": quantile(asked, 0.99),
        "lookup_p50_ms": quantile(waits, 0.5),
        "lookup_p99_ms": quantile(waits, 0.99),
    }


KADEMLIA = Scenario(
    name="kademlia",
    summary="recall, round trips and requests of Kademlia lookups: standing, 30 % crashed, refreshed",
    run=_run,
    nodes=1000,
    nodes_min=40,
)
