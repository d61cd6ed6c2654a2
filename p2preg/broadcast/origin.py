"""All that is kept of one held registry as an origin of batches."""

from __future__ import annotations

import math

from p2preg.broadcast.progress import Progress
from p2preg.broadcast.tree import Tree


class Origin:
    """Its tree, its progress, when it was last heard and when a gap of it was last reported (monotonic seconds).
    `parent`: the neighbour from which its batches come; `announcer`: the last one to announce one of them."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.progress = Progress()
        self.heard_at = -math.inf
        self.gap_at = -math.inf
        self.parent: bytes | None = None
        self.announcer: bytes | None = None
