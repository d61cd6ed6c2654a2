"""All that is kept of one held registry as an origin of batches."""

from __future__ import annotations

import math

from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.progress import Progress
from p2preg.broadcast.tree import Tree


class Origin:
    """Its tree, its progress, when it was last heard and when a gap of it was last reported (monotonic seconds)."""

    def __init__(self, config: BroadcastConfig) -> None:
        self.tree = Tree(config)
        self.progress = Progress()
        self.heard_at = -math.inf
        self.gap_at = -math.inf
