"""Lookups made to see what they find: who asks whom, against what an all-knowing observer would have answered."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from p2preg.dht.contact import Contact
from p2preg.sim.dht.network import DhtNetwork, Finding

SETTLE_SECONDS = 60.0  # a lookup ends sooner, even if everybody hangs


def ask_around(network: DhtNetwork, questions: Sequence[tuple[bytes, bytes]], seconds: float) -> list[Finding]:
    """The lookups of (who, target), begun evenly over `seconds`. Each must end."""
    before = len(network.findings)
    for at, target in questions:
        network.look_up(at, target)
        network.run(seconds / len(questions))
    network.run(SETTLE_SECONDS)
    findings = network.findings[before:]
    assert len(findings) == len(questions), f"{len(questions)} lookups were begun and {len(findings)} ended"
    return findings


def random_questions(network: DhtNetwork, count: int) -> list[tuple[bytes, bytes]]:
    """Honest registries that look for ids that nobody has."""
    alive = network.alive()
    return [(network.rng.choice(alive), network.rng.randbytes(32)) for _ in range(count)]


def nearest(target: bytes, people: Iterable[Contact], count: int) -> list[Contact]:
    goal = int.from_bytes(target)
    return heapq.nsmallest(count, people, key=lambda each: int.from_bytes(each.routing_id) ^ goal)


def recall(network: DhtNetwork, finding: Finding, among: Iterable[bytes]) -> float:
    """The share that was found of the k registries of `among` that are nearest to the target."""
    others = (network.people[key] for key in among if key != finding.question.at)
    truth = nearest(finding.question.target, others, network.config.k)
    return len([each for each in truth if each in finding.result.closest]) / len(truth)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
