"""Pictures of what a simulation measured, as SVG text: `curve.line_chart` and `tree.tree_picture`."""

from __future__ import annotations

from p2preg.sim.pictures.curve import Axis, Series, line_chart
from p2preg.sim.pictures.tree import tree_picture

__all__ = ["Axis", "Series", "line_chart", "tree_picture"]
