"""What goes wrong in a simulated world: single faults, registries that lie, and the swarm that chooses among them."""
