"""Networks of thousands that only spread: the overlay's and the broadcast's cores of each registry, and nothing else.

`sim.world` runs whole registries. This shows how the very same `OverlayCore` and `BroadcastCore` behave in numbers that
whole registries would be too slow for. Begin with `mesh.Mesh`."""
