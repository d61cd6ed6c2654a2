"""p2preg: a registry for media nodes that many operators run together and nobody owns."""

__version__ = "0.1.0"
