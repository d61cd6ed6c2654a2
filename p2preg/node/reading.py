"""How a node of one network reads and judges what others send: pure functions of bytes, so that a simulator can have
each cell, batch and signature looked at once for all its registries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from p2preg.broadcast.batch import Batch, parse_batch
from p2preg.cells.cell import Cell, parse_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.verify import Verifier, verify


@dataclass(frozen=True, slots=True)
class Reading:
    """`parse_cell` and `parse_batch` raise as the functions of these names do; `verify` tells whether a signature
    holds. Nobody changes what they return: it may belong to several nodes."""

    parse_cell: Callable[[bytes], Cell]
    parse_batch: Callable[[bytes, str], Batch]
    verify: Verifier

    @classmethod
    def of(cls, network: NetworkFile) -> Reading:
        """Everything is looked at anew."""
        return cls(partial(parse_cell, network=network), parse_batch, verify)
