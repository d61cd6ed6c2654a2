"""Other ways to spread on the same overlay, to compare with: flooding, and Plumtree with one tree for all origins.

Both are the broadcast's own core with other trees, so that nothing but the trees makes the difference."""

from __future__ import annotations

import dataclasses

from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.core import BroadcastCore
from p2preg.broadcast.tree import Tree
from p2preg.sim.mesh.mesh import NETWORK, MakeBroadcast, Mesh


class EveryLink(Tree):
    """All links are eager and stay so: each batch is pushed to all but its sender, and nothing is announced."""

    def prune(self, peer: bytes, now: float) -> None:
        raise AssertionError("flooding never prunes")

    def make_lazy(self, peer: bytes) -> None:
        pass

    def was_pruned(self, peer: bytes, now: float) -> bool:
        return True  # no PRUNE leaves


class OneForAll(Tree):
    """Of all origins: the links of one say nothing of where the next one's batches come from, so the paper's timer
    always runs."""

    def can_bring(self, parent: bytes | None) -> bool:
        return bool(self.eager)


def flooding(mesh: Mesh) -> MakeBroadcast:
    """What `mesh.spread_anew` takes."""

    def make(own_id: bytes, config: BroadcastConfig) -> BroadcastCore:
        all_links_at_once = dataclasses.replace(config, heard_recently=0.0)
        return BroadcastCore(own_id, NETWORK, all_links_at_once, mesh.parse, EveryLink)

    return make


def shared_tree(mesh: Mesh) -> MakeBroadcast:
    """The same, with one set of eager links at each registry, whoever the origin is, as Plumtree's paper has it."""

    def make(own_id: bytes, config: BroadcastConfig) -> BroadcastCore:
        tree = OneForAll(config)
        return BroadcastCore(own_id, NETWORK, config, mesh.parse, lambda _: tree)

    return make
