"""What must hold of a whole node between any two events: of each core, and where the cores meet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from p2preg.cells.cell import ADVERT, LEASE, REGISTRY

if TYPE_CHECKING:
    from p2preg.node.core import NodeCore

KINDS = (REGISTRY, ADVERT, LEASE)


def check_node(node: NodeCore) -> None:
    """`AssertionError` names what broke."""
    for core in (node.held, node.dht, node.overlay, node.broadcast, node.reconcile, node.registry.directory.index):
        core.check_invariants()
    _check_digests(node)
    _check_directory(node)
    _check_links(node)


def _check_digests(node: NodeCore) -> None:
    """The digests that reconciliation compares are those of the cells that are held (A5, C10)."""
    digests = node.ledger.digests
    cells = [cell for kind in KINDS for cell in node.held.cells(kind)]
    for cell in cells:
        assert digests.key_of(cell.element) == cell.key, f"{cell!r} is held, but not in the digests"
    counts = Counter((cell.kind, cell.shard) for cell in cells)
    sums: Counter[tuple[int, int]] = Counter()
    for cell in cells:
        sums[cell.kind, cell.shard] += int.from_bytes(cell.element[:16])
    digests.check_sums(counts, sums)


def _check_directory(node: NodeCore) -> None:
    """Every entry stands on a lease that is held and has not ended (C4)."""
    directory = node.registry.directory
    assert len(directory) == len(directory.index), "the index and the directory hold different nodes"
    for entry in directory:
        lease = node.held.current_lease(entry.node_id)
        assert lease is not None, "an entry without a lease"
        assert lease.end_ms == entry.lease_end_ms, "an entry of an older lease"


def _check_links(node: NodeCore) -> None:
    """No core counts on a link that is not there, and batches go to neighbours only."""
    told = (*node.broadcast.eager(node.own_id), *node.broadcast.lazy(node.own_id))
    assert dict.fromkeys(told).keys() <= dict.fromkeys(node.overlay.neighbours).keys(), "batches go to no neighbour"
    assert all(node.is_outbound(peer) is not None for peer in node.overlay.neighbours), "a neighbour without a link"
