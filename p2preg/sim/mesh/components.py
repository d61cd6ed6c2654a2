"""Which registries of a mesh hang together."""

from __future__ import annotations

from p2preg.sim.mesh.mesh import Mesh


def greatest_component(mesh: Mesh) -> list[int]:
    """The numbers of the largest set of living registries that neighbourhoods, counted by both ends, connect."""
    neighbours = {peer.id: dict.fromkeys(peer.overlay.neighbours) for peer in mesh.alive}
    greatest: list[bytes] = []
    unseen = dict.fromkeys(neighbours)
    while unseen:
        start, _ = unseen.popitem()
        part = [start]
        for peer in part:
            for other in neighbours[peer]:
                if other in unseen and peer in neighbours[other]:
                    del unseen[other]
                    part.append(other)
        if len(part) > len(greatest):
            greatest = part
    numbers = {peer.id: peer.number for peer in mesh.alive}
    return sorted(numbers[peer] for peer in greatest)
