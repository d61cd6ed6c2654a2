"""What must hold: of one registry after each event, and of all of them when things have come to rest."""

from __future__ import annotations

from collections.abc import Iterable

from p2preg.cells.cell import ADVERT, LEASE, REGISTRY
from p2preg.sim.host import Host


def check_host(host: Host) -> None:
    """The invariants of every core of one registry. An `AssertionError` names what broke."""
    if not host.is_up:
        return
    node = host.node
    for core in (node.held, node.dht, node.overlay, node.broadcast, node.reconcile, node.registry.directory.index):
        core.check_invariants()
    directory = node.registry.directory
    assert len(directory) == len(directory.index), "the index and the directory hold different nodes"
    for entry in directory:
        lease = node.held.current_lease(entry.node_id)
        assert lease is not None, "an entry without a lease"
        assert lease.end_ms == entry.lease_end_ms, "an entry of an older lease"


def held_by(host: Host) -> dict[bytes, bytes]:
    """The cells that can be seen there, by key."""
    held = host.node.held
    cells = [cell for kind in (REGISTRY, LEASE, ADVERT) for cell in held.cells(kind)]
    return {cell.key: cell.raw for cell in cells if held.is_visible(cell.key)}


def versions_at(host: Host) -> dict[bytes, bytes]:
    """Which Media Nodes it shows, each with its version."""
    return {entry.node_id: entry.version for entry in host.node.registry.directory}


def differing(hosts: Iterable[Host]) -> list[bytes]:
    """The keys of the cells, and the ids of the nodes, that not all of these registries show alike."""
    seen = [held_by(host) | versions_at(host) for host in hosts]
    keys = dict.fromkeys(key for each in seen for key in each)
    return [key for key in keys if any(each.get(key) != seen[0].get(key) for each in seen)]
