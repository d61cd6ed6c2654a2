"""Whole networks of registries in one process, on a virtual clock, from one seed: begin with `world.World`.

The cores are the very ones that `net.driver` runs under Trio; only what is around them is simulated."""

from __future__ import annotations

from p2preg.sim.checks import check_host, differing
from p2preg.sim.media import MediaNode
from p2preg.sim.world import World

__all__ = ["MediaNode", "World", "check_host", "differing"]
