"""Why a node was selected, in words for whoever reads an orchestrator's log; and what kept the others out."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.index.describe import describe, in_rpc_units
from p2preg.index.match import Fields, matches
from p2preg.index.terms import Filter


@dataclass(frozen=True, slots=True)
class Exclusion:
    """How many nodes `predicate` alone keeps out."""

    predicate: str
    excluded: int


def reasons_for(
    fields: Fields, policy: str, distance: int | None, spread_by: str | None, wanted: tuple[Filter, ...]
) -> tuple[str, ...]:
    """What spoke for a node: the policy's measure, its group, and each predicate that was relaxed for it.
    `distance` is in metres."""
    reasons = [_policy_reason(policy, fields, distance)]
    if spread_by is not None:
        reasons.append(f"spread by {spread_by}: {_shown(spread_by, fields)}")
    reasons += [f"relaxed: {describe(term)}" for term in wanted if not matches(term, fields)]
    return tuple(reasons)


def _policy_reason(policy: str, fields: Fields, distance: int | None) -> str:
    match policy:
        case "least_loaded":
            return f"least loaded: load {_shown('load', fields)}"
        case "two_choices":
            return f"two choices: load {_shown('load', fields)}"
        case "best_quality":
            return f"best quality: score {_shown('qos.score', fields)}"
        case "nearest":
            return f"nearest: {'distance unknown' if distance is None else f'{distance / 1_000:.1f} km'}"
    return "drawn at random"


def _shown(field: str, fields: Fields) -> str:
    value = fields.get(field)
    return "unknown" if value is None else str(in_rpc_units(field, value))
