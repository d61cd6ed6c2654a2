"""The topics by name."""

from __future__ import annotations

from scripts.benchmarks import fanout, memory, reads, spread, writes

TOPICS = {"writes": writes, "reads": reads, "spread": spread, "memory": memory, "fanout": fanout}
