"""Registries that are admitted like any other, and answer each FindNode with their own kind, the nearest to the target.

They take part in all else, so they are in all tables. What they name are genuine contacts with signed cells, for
nothing else would be accepted. Some of their keys are ground: so many were tried that these surround one registry."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from p2preg.dht.config import DhtConfig
from p2preg.sim.dht.network import DhtNetwork
from p2preg.sim.dht.people import ground, person
from p2preg.sim.dht.survey import nearest
from p2preg.wire.messages import FindNode, Nodes

TRIES_PER_REGISTRY = 128  # keys that the attacker tries for each registry that there is: the ground are the nearest


class AttackedNetwork(DhtNetwork):
    """`nodes` registries, of which `hostile` are the attacker's, and of those `surrounding` the nearest to `victim`.

    All lie from the beginning. They join among the others, but the ground last: a key can be surrounded only once it is
    known. Every second honest registry, those in `plain`, looks up along one path, as in the Kademlia paper."""

    def __init__(self, nodes: int, hostile: int, surrounding: int, seed: int, config: DhtConfig | None = None) -> None:
        config = config or DhtConfig()
        honest = [person(number) for number in range(nodes - hostile)]
        scattered = [person(number) for number in range(nodes - hostile, nodes - surrounding)]
        early = [*honest, *scattered]
        Random(f"{seed} dht order").shuffle(early)
        self.victim = honest[seed % len(honest)]
        self.ground = ground(self.victim, surrounding, TRIES_PER_REGISTRY * nodes, first=nodes - surrounding)
        self.plain = dict.fromkeys([each.public_key for each in honest[::2]], replace(config, paths=1))
        super().__init__([*early, *self.ground], seed, config, self.plain)
        self.liars = dict.fromkeys([each.public_key for each in [*scattered, *self.ground]], self._lie)

    def _lie(self, asking: bytes, message: FindNode) -> Nodes:
        """Who of us that have joined is nearest to the target."""
        accomplices = (self.people[key] for key in self.liars if key in self.joined)
        return Nodes(message.request, [each.cell for each in nearest(message.target, accomplices, self.config.k)])
