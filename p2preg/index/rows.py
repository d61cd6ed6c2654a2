"""Rows: small local numbers for node ids, so that bitmaps stay dense. The smallest free one is used again first."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from p2preg.index.columns import Rows32, grown

Prefixes = npt.NDArray[np.uint64]


class Rows:
    """node_id <-> row. Row numbers mean nothing outside this process."""

    def __init__(self) -> None:
        self._row_of: dict[bytes, int] = {}
        self._node_ids: list[bytes] = []
        self._free: list[int] = []
        self._prefixes: Prefixes = np.zeros(0, np.uint64)

    def __len__(self) -> int:
        return len(self._row_of)

    def get(self, node_id: bytes) -> int | None:
        return self._row_of.get(node_id)

    def node_id(self, row: int) -> bytes:
        """The node in `row`, which must be in use."""
        return self._node_ids[row]

    def acquire(self, node_id: bytes) -> int:
        """A row for a node that has none."""
        assert node_id not in self._row_of
        if self._free:
            row = heapq.heappop(self._free)
            self._node_ids[row] = node_id
        else:
            row = len(self._node_ids)
            self._node_ids.append(node_id)
            self._prefixes = grown(self._prefixes, row + 1, 0)
        self._row_of[node_id] = row
        self._prefixes[row] = prefix(node_id)
        return row

    def release(self, node_id: bytes) -> int:
        """Give back the row of a node that has one."""
        row = self._row_of.pop(node_id)
        self._node_ids[row] = b""
        heapq.heappush(self._free, row)
        return row

    def prefixes(self, rows: Rows32) -> Prefixes:
        """The first eight bytes of each node id as a number: sorts as the ids do, but for ties."""
        return self._prefixes[rows]

    def check_invariants(self) -> None:
        assert len(self._row_of) + len(self._free) == len(self._node_ids)
        assert all(self._node_ids[row] == node_id for node_id, row in self._row_of.items())
        assert all(self._node_ids[row] == b"" for row in self._free)


def prefix(node_id: bytes) -> int:
    return int.from_bytes(node_id[:8].ljust(8, b"\0"), "big")
