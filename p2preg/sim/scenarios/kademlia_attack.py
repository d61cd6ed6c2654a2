"""Lookups among registries a fifth of which are hostile, with one honest registry's neighbourhood in their hands.

The hostile lie from the beginning, so upkeep is under attack like all else. Every second honest registry looks up along
one path, the others along as many as are configured; upkeep takes one path with all, so one network shows both.
`success` is the share of lookups by honest registries that
find the honest registry that they look for; in `surrounded_success` that is the one whose neighbours were ground, and
`stranger_success` counts only those of them who don't have it in their own table. `recall` is, of the 20 registries
truly nearest to the target, the share of the honest that is found. The rest is as in `kademlia`."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.dht.config import DhtConfig
from p2preg.sim.dht.attack import AttackedNetwork
from p2preg.sim.dht.network import Finding
from p2preg.sim.dht.survey import ask_around, mean, nearest
from p2preg.sim.scenario import Outcome, Scenario, Setting
from p2preg.sim.scenarios.kademlia import spent

HOSTILE_SHARE = 0.2
GROUND = 20  # of the hostile: as many as an answer can name, so that it can be filled with them
ACQUAINTANCES = 3  # of a newcomer: with one alone, a fifth would only ever hear liars
LOOKUPS_MAX = 600  # half of them along one path
LOOKUP_SECONDS = 60.0
REST_SECONDS = 30.0
SUCCESS_MIN = 0.95


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of the lookups of registries at random, and of those of the surrounded one. `strangers`: who did not
    have it in the own table then."""

    anyone: list[Finding]
    surrounded: list[Finding]
    strangers: dict[bytes, None]

    def by(self, registries: list[bytes]) -> _Found:
        return _Found(_by(registries, self.anyone), _by(registries, self.surrounded), self.strangers)


def _run(setting: Setting) -> Outcome:
    config = DhtConfig()
    network = AttackedNetwork(setting.nodes, round(HOSTILE_SHARE * setting.nodes), GROUND, setting.seed, config)
    network.join_all(ACQUAINTANCES, lambda share: setting.progress(0.8 * share, f"{share:.0%} have joined"))
    network.run(REST_SECONDS)
    found = _look_around(setting, network)
    network.check()
    figures = _measure(network, found.by([key for key in network.alive() if key not in network.plain]))
    one_path = _measure(network, found.by(list(network.plain)))
    for name in ("success", "surrounded_success", "stranger_success"):
        assert figures[name] >= SUCCESS_MIN, f"{name} is {figures[name]}, {SUCCESS_MIN} or more is promised"
    named = {f"one_path_{name}": value for name, value in one_path.items()}
    return Outcome({"paths": config.paths, **figures, **named}, network.trace.digest(), network.trace.events)


def _look_around(setting: Setting, network: AttackedNetwork) -> _Found:
    victim = network.victim
    asking = [key for key in network.alive() if key != victim.public_key]
    asking = network.rng.sample(asking, min(LOOKUPS_MAX, len(asking)))
    setting.progress(0.8, f"{len(asking)} lookups of honest registries at random")
    targets = [network.rng.choice([key for key in network.alive() if key != at]) for at in asking]
    questions = [(at, network.people[key].routing_id) for at, key in zip(asking, targets, strict=True)]
    anyone = ask_around(network, questions, LOOKUP_SECONDS)
    setting.progress(0.9, f"{len(asking)} lookups of the surrounded one")
    strangers = dict.fromkeys(key for key in asking if victim not in network.cores[key].contacts())
    surrounded = ask_around(network, [(at, victim.routing_id) for at in asking], LOOKUP_SECONDS)
    return _Found(anyone, surrounded, strangers)


def _measure(network: AttackedNetwork, found: _Found) -> dict[str, float]:
    return {
        "success": _success(found.anyone),
        "recall": round(mean([_honest_recall(network, finding) for finding in found.anyone]), 4),
        "surrounded_success": _success(found.surrounded),
        "stranger_success": _success(_by(list(found.strangers), found.surrounded)),
        **spent(found.anyone),
    }


def _by(registries: list[bytes], findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.question.at in registries]


def _success(findings: list[Finding]) -> float:
    assert findings, "nobody looks for anybody"
    return round(mean([finding.result.found for finding in findings]), 4)


def _honest_recall(network: AttackedNetwork, finding: Finding) -> float:
    others = [each for key, each in network.people.items() if key != finding.question.at]
    truth = nearest(finding.question.target, others, network.config.k)
    honest = [each for each in truth if each.public_key not in network.liars]
    return sum(each in finding.result.closest for each in honest) / len(honest)


KADEMLIA_ATTACK = Scenario(
    name="kademlia-attack",
    summary="lookups with 20 % hostile contacts, and one registry surrounded by ground keys: one path and several",
    run=_run,
    nodes=1000,
    nodes_min=100,  # a fifth of them can then fill an answer
)
