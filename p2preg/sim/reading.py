"""What one registry of a simulated network has parsed, or found to be signed, the others need not look at again."""

from __future__ import annotations

from functools import lru_cache, partial

from p2preg.broadcast.batch import parse_batch
from p2preg.cells.cell import parse_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.verify import Verifier
from p2preg.node.reading import Reading
from p2preg.sim.verifier import RememberingVerifier

CELLS_MAX = 65_536  # what was forgotten is parsed again
BATCHES_MAX = 8_192


def shared_reading(network: NetworkFile, verify: Verifier) -> Reading:
    """One for all registries of `network`."""
    return Reading(
        lru_cache(CELLS_MAX)(partial(parse_cell, network=network)),
        lru_cache(BATCHES_MAX)(parse_batch),
        RememberingVerifier(verify),
    )
