"""What must hold of all registries together when things have come to rest (see docs/simulation.md, What is checked)."""

from __future__ import annotations

from collections.abc import Sequence

from p2preg.cells.cell import ADVERT, LEASE, REGISTRY
from p2preg.reconcile.digests import SHARDS
from p2preg.sim.host import Host
from p2preg.wire.messages import Fingerprint

KINDS = (REGISTRY, ADVERT, LEASE)


def roots(host: Host, as_of_ms: int) -> list[Fingerprint]:
    """What reconciliation compares first: one fingerprint for each kind of all that had not ended then."""
    digests = host.node.ledger.digests
    return [digests.fingerprint(kind, 0, SHARDS, as_of_ms) for kind in KINDS]


def have_equal_roots(hosts: Sequence[Host]) -> bool:
    as_of_ms = max(host.clock.now_ms for host in hosts)
    first = roots(hosts[0], as_of_ms)
    return all(roots(host, as_of_ms) == first for host in hosts[1:])


def one_sided(hosts: Sequence[Host]) -> list[tuple[Host, Host]]:
    """The pairs of which the first counts the second as a neighbour, and not the other way round."""
    return [
        (one, other)
        for one in hosts
        for other in hosts
        if other.id in one.node.overlay.neighbours and one.id not in other.node.overlay.neighbours
    ]


def parts(hosts: Sequence[Host]) -> list[list[Host]]:
    """The sets of registries that are connected by active views and ring neighbours, over none but these."""
    by_id = {host.id: host for host in hosts}
    found: list[list[Host]] = []
    while by_id:
        part: list[Host] = []
        reached = [next(iter(by_id))]
        while reached:
            host = by_id.pop(reached.pop(), None)
            if host is not None:
                part.append(host)
                reached += host.node.overlay.neighbours
        found.append(part)
    return found
