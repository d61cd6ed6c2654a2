"""What must hold of one registry after each of its events, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from p2preg.cells.cell import ADVERT, LEASE, REGISTRY
from p2preg.node.invariants import check_node
from p2preg.sim.host import Host


def check_host(host: Host) -> None:
    """The invariants of every core of one registry. An `AssertionError` names what broke."""
    if host.is_up:
        check_node(host.node)


def check_each(events: int) -> Callable[[Host], None]:
    """Checks whichever registry handled the last of so many events, all registries' counted together; 0: never."""
    if events == 0:
        return _look_away
    left = events

    def check(host: Host) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            left = events
            check_host(host)

    return check


def _look_away(host: Host) -> None:
    pass


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
