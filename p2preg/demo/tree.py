"""The broadcast tree of one origin, put together from what each registry says about its own eager links."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Branch:
    """A registry in the tree, with those that get the origin's batches from it."""

    registry: str
    children: list[Branch] = field(default_factory=list)


def tree_of(origin: str, eager: Mapping[str, Sequence[str]]) -> Branch:
    """The tree from `origin` on, along links that are eager at the sending end; `eager`: registry → whom it pushes to.

    Breadth first, so what is drawn is a tree even in the moment in which two links still carry the same batches.
    """
    root = Branch(origin)
    seen, queue = {origin: None}, deque([root])
    while queue:
        branch = queue.popleft()
        for peer in eager.get(branch.registry, ()):
            if peer not in seen:
                seen[peer] = None
                child = Branch(peer)
                branch.children.append(child)
                queue.append(child)
    return root


def size(branch: Branch) -> int:
    """How many registries the tree reaches, the origin included."""
    return 1 + sum(map(size, branch.children))
