"""The bench on which one broadcast core is tried."""

from __future__ import annotations

import pytest
from broadcast_harness import ALICE, BOB, CAROL, ORIGIN, Bench

from p2preg.base.events import NeighborUp
from p2preg.broadcast.events import OriginHeld


@pytest.fixture
def bench() -> Bench:
    """Neighbours alice, bob and carol; one registry held."""
    bench = Bench()
    bench.tell_all(*(NeighborUp(peer) for peer in (ALICE, BOB, CAROL)), OriginHeld(ORIGIN.public))
    return bench
