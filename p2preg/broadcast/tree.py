"""One origin's eager/lazy split of our links: the paper's eagerPushPeers. What is not eager is lazy.

A link is meant to be eager at both ends or at neither; GRAFT, PRUNE, a first delivery and an announcement each tell
one end what the other has decided.
"""

from __future__ import annotations

from p2preg.broadcast.config import BroadcastConfig


class Tree:
    """The eager links for one origin, and how lately each was grafted or pruned. Holds neighbours only."""

    def __init__(self, config: BroadcastConfig) -> None:
        self.eager: dict[bytes, None] = {}
        self._config = config
        self._grafted_at: dict[bytes, float] = {}
        self._pruned_at: dict[bytes, float] = {}

    def can_bring(self, parent: bytes | None) -> bool:
        """Whether a copy may come along the tree without a GRAFT. `parent`: the neighbour that brought the last one
        (docs/adr/0014)."""
        return parent in self.eager

    def graft(self, peer: bytes, now: float) -> None:
        """GRAFT was sent to `peer` or came from it."""
        self.eager[peer] = None
        self._grafted_at[peer] = now

    def prune(self, peer: bytes, now: float) -> None:
        """PRUNE is being sent to `peer`."""
        self.eager.pop(peer, None)
        self._pruned_at[peer] = now

    def make_lazy(self, peer: bytes) -> None:
        self.eager.pop(peer, None)

    def was_grafted(self, peer: bytes, now: float) -> bool:
        """Within the grace, in which messages sent before the GRAFT may still arrive."""
        at = self._grafted_at.get(peer)
        return at is not None and now - at < self._config.prune_grace

    def was_pruned(self, peer: bytes, now: float) -> bool:
        at = self._pruned_at.get(peer)
        return at is not None and now - at < self._config.prune_interval

    def forget(self, peer: bytes) -> None:
        """The link is gone."""
        self.eager.pop(peer, None)
        self._grafted_at.pop(peer, None)
        self._pruned_at.pop(peer, None)

    def known(self) -> frozenset[bytes]:
        """Every peer of which anything is kept."""
        return frozenset((*self.eager, *self._grafted_at, *self._pruned_at))
