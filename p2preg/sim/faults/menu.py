"""All the faults from which a swarm chooses."""

from __future__ import annotations

from random import Random

from p2preg.sim.faults.fault import Fault
from p2preg.sim.faults.liars import LIARS
from p2preg.sim.faults.onmachines import (
    Backup,
    Crash,
    Drift,
    FullDisk,
    LostDisk,
    MassCrash,
    MassJoin,
    PowerLoss,
    SlowDisk,
    SlowLoops,
    Stalls,
    WrongClocks,
)
from p2preg.sim.faults.onpaths import (
    Alone,
    Deaf,
    Duplication,
    HalfOpen,
    Jitter,
    LongWay,
    Loss,
    OneWay,
    Reordering,
    Resets,
    SlowReaders,
    Split,
    Swizzle,
)

MENU: tuple[type[Fault], ...] = (
    Loss, Jitter, Duplication, Reordering, SlowReaders, LongWay,
    Split, OneWay, Deaf, Alone, Swizzle, Resets, HalfOpen,
    Crash, PowerLoss, MassCrash, MassJoin, LostDisk, Backup, FullDisk, SlowDisk, Stalls, SlowLoops,
    WrongClocks, Drift, *LIARS,
)  # fmt: skip
CHOSEN_MIN, CHOSEN_MAX = 3, 10


def choose(rng: Random) -> list[Fault]:
    """A random few of them, with random parameters (Groce et al. 2012: what is left out matters as much, since one
    fault can hide what another would show)."""
    chosen = rng.sample(MENU, rng.randint(CHOSEN_MIN, CHOSEN_MAX))
    return [kind(rng) for kind in sorted(chosen, key=MENU.index)]
