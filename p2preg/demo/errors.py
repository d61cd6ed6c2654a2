"""The one way in which a story ends early."""

from __future__ import annotations

from p2preg.base.errors import P2pregError


class DemoFailed(P2pregError):
    """The story cannot go on: what was expected, and what came."""
