"""The benchmark behind `scripts/bench`: registries as processes, a thin client, and one file a topic."""
