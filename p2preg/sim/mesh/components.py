"""Which registries of a mesh hang together."""

from __future__ import annotations

from p2preg.sim.mesh.mesh import Mesh


def components(mesh: Mesh) -> list[list[int]]:
    """The numbers of the living registries, in sets that neighbourhoods, counted by both ends, connect."""
    neighbours = {peer.id: dict.fromkeys(peer.overlay.neighbours) for peer in mesh.alive}
    numbers = {peer.id: peer.number for peer in mesh.alive}
    parts: list[list[int]] = []
    unseen = dict.fromkeys(neighbours)
    while unseen:
        start, _ = unseen.popitem()
        part = [start]
        for peer in part:
            for other in neighbours[peer]:
                if other in unseen and peer in neighbours[other]:
                    del unseen[other]
                    part.append(other)
        parts.append(sorted(numbers[peer] for peer in part))
    return parts


def greatest_component(mesh: Mesh) -> list[int]:
    """The numbers of the largest of these sets, the first found among equals."""
    return max(components(mesh), key=len, default=[])
