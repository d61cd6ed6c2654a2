"""Which few nodes to use: the policies of `nodes.select`, as a pure function of index, request and randomness.

Candidates are ranked by arrays of numbers, so 100 000 of them cost milliseconds, and by a salted mix of the node id
where a policy leaves a tie. Row numbers have no say: the same generator over the same data gives the same answer at any
registry. Two choices after Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pyroaring import BitMap

from p2preg.base.errors import Refused
from p2preg.index.columns import MISSING, Numbers, Rows32, to_rows
from p2preg.index.describe import describe
from p2preg.index.geo import EARTH_RADIUS_M, haversines
from p2preg.index.index import Index
from p2preg.index.ranking import Key, index_within, lowest
from p2preg.index.reasons import Exclusion, reasons_for
from p2preg.index.schema import field_type
from p2preg.index.terms import ALLOCATABLE, And, Filter, conjuncts, fields_used

if TYPE_CHECKING:
    from random import Random

Policy = Literal["random", "least_loaded", "two_choices", "nearest", "best_quality"]
SpreadBy = Literal["operator", "region", "asn"]


@dataclass(frozen=True, slots=True)
class Place:
    """Micro-degrees."""

    latitude: int
    longitude: int


@dataclass(frozen=True, slots=True)
class Probe:
    """The caller measured this round-trip time to a node."""

    node_id: bytes
    round_trip_time_us: int


@dataclass(frozen=True, slots=True)
class SelectRequest:
    """`near`: a place, or measurements. `relax`: fields whose predicates may be dropped, first to last."""

    filter: Filter | None = None
    count: int = 1
    policy: Policy = "two_choices"
    near: Place | tuple[Probe, ...] | None = None
    exclude: tuple[bytes, ...] = ()
    spread_by: SpreadBy | None = None
    relax: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    node_id: bytes
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SelectResult:
    """`relaxed`: the fields whose predicates were dropped. `reasons`: what each predicate excluded, before relaxing."""

    candidates: tuple[Candidate, ...]
    relaxed: tuple[str, ...]
    reasons: tuple[Exclusion, ...]


def select(index: Index, request: SelectRequest, rng: Random) -> SelectResult:
    """At most `count` allocatable nodes, best first. `rng` is seeded by the caller if the request has a seed.

    A node that matches the whole filter comes before one that matches only the relaxed one. Raises `Refused` -32602
    for `nearest` without `near`, and for an unknown field in `relax`.
    """
    _check(request)
    allocatable = index.search(ALLOCATABLE)
    base = allocatable - index.rows_of(request.exclude)
    stages, relaxed = _stages(index, request, base)
    ranked = _Ranking(index, request, stages, rng.getrandbits(64)).best()
    wanted = conjuncts(request.filter)
    candidates = tuple(_candidate(index, request, wanted, row, distance) for row, distance in ranked)
    return SelectResult(candidates, relaxed, _exclusions(index, wanted, allocatable, base))


def _candidate(
    index: Index, request: SelectRequest, wanted: tuple[Filter, ...], row: int, distance: int | None
) -> Candidate:
    node_id = index.node_id(row)
    fields = index.fields_of(node_id) or {}
    return Candidate(node_id, reasons_for(fields, request.policy, distance, request.spread_by, wanted))


def _check(request: SelectRequest) -> None:
    if request.policy == "nearest" and not request.near:
        raise _refused("near", "the policy nearest needs a place, or at least one probe")
    for at, field in enumerate(request.relax):
        if field != "within" and field_type(field) is None:
            raise _refused(f"relax[{at}]", "the name of a field, or within, was expected")


def _stages(index: Index, request: SelectRequest, base: BitMap) -> tuple[list[BitMap], tuple[str, ...]]:
    """The matching rows of the whole filter and then of each relaxed one, each a superset of the one before; and the
    fields that were relaxed. A predicate goes when every field that it uses has been relaxed: `region or country`
    stays while only `region` may go."""
    left = conjuncts(request.filter)
    stages = [index.search(And(left), base)]
    freed: dict[str, None] = {}
    relaxed: list[str] = []
    for field in request.relax:
        if len(stages[-1]) >= request.count:
            break
        freed |= dict.fromkeys(("latitude", "longitude") if field == "within" else (field,))
        kept = tuple(term for term in left if not _freed(term, freed))
        if len(kept) < len(left):
            left = kept
            relaxed.append(field)
            stages.append(index.search(And(left), base))
    return stages, tuple(relaxed)


def _freed(term: Filter, freed: dict[str, None]) -> bool:
    used = fields_used(term)
    return bool(used) and all(field in freed for field in used)


def _exclusions(
    index: Index, predicates: tuple[Filter, ...], allocatable: BitMap, base: BitMap
) -> tuple[Exclusion, ...]:
    """What each predicate excludes by itself: of all nodes for allocatable, of those that are allocatable and not
    excluded by name for the others. So two predicates that both exclude everything both say so."""
    exclusions = [Exclusion("allocatable", len(index) - len(allocatable))]
    if len(base) < len(allocatable):
        exclusions.append(Exclusion("exclude", len(allocatable) - len(base)))
    for term in predicates:
        exclusions.append(Exclusion(describe(term), len(base) - len(index.search(term, base))))
    return tuple(exclusions)


class _Ranking:
    """The candidates of one request, as arrays in one order. `salt` decides what the policy leaves open."""

    def __init__(self, index: Index, request: SelectRequest, stages: list[BitMap], salt: int) -> None:
        self._index, self._request = index, request
        self._stages, self._salt = stages, salt

    def best(self) -> list[tuple[int, int | None]]:
        """The chosen rows, best first, each with its distance in metres where the policy is nearest and it is known."""
        rows = to_rows(self._stages[-1])
        count = self._request.count
        if self._request.policy == "two_choices" and self._request.spread_by is None:
            # Pairs of random candidates are all that is looked at, and `count` pairs are enough.
            rows = rows[lowest([self._stage(rows), self._mixed(rows)], 2 * count)]
        keys = [self._stage(rows), *self._policy_keys(rows), self._mixed(rows)]
        if self._request.spread_by is not None:
            turn = index_within([self._index.groups(self._request.spread_by, rows)], keys)
            keys.insert(1, turn)
        chosen = rows[lowest(keys, count)]
        if self._request.policy != "nearest":
            return [(row, None) for row in chosen.tolist()]
        distances = self._distances(chosen).tolist()
        return [(row, None if far == MISSING else far) for row, far in zip(chosen.tolist(), distances, strict=True)]

    def _stage(self, rows: Rows32) -> Key:
        """How much of the filter had to be relaxed for each row."""
        stage = np.zeros(len(rows), np.int64)
        for matching in self._stages[:-1]:
            stage += ~np.isin(rows, to_rows(matching))
        return stage

    def _mixed(self, rows: Rows32) -> Key:
        """A random permutation that depends on the ids and the salt alone: the finalizer of SplitMix64 (Steele, Lea
        and Flood 2014). The salt is secret unless the caller gave the seed, so no id can be made to come first."""
        mixed = self._index.prefixes(rows) ^ np.uint64(self._salt)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))

    def _policy_keys(self, rows: Rows32) -> list[Key]:
        """Lower is better. An unknown load, score or place comes after all known ones: who says nothing must not win
        over who says an honest number."""
        match self._request.policy:
            case "least_loaded":
                return [self._index.numbers("load", rows)]
            case "best_quality":
                scores = self._index.numbers("qos.score", rows)
                return [np.where(scores == MISSING, MISSING, -scores)]
            case "nearest":
                return [self._distances(rows), self._index.numbers("load", rows)]
            case "two_choices":
                return [self._lost(rows)]
        return []

    def _lost(self, rows: Rows32) -> Key:
        """1 for the more loaded of each random pair, 0 for the other and for one without a partner. Pairs are of one
        stage and, if the answer is to be spread, of one group, so each group sends its own winner first."""
        spread_by = self._request.spread_by
        groups = [self._stage(rows)]
        if spread_by is not None:
            groups.append(self._index.groups(spread_by, rows))
        mixed = self._mixed(rows)
        place = index_within(groups, [mixed])
        return index_within([*groups, place // 2], [self._index.numbers("load", rows), mixed])

    def _distances(self, rows: Rows32) -> Numbers:
        """Metres from the caller, who is taken to be at `near`, or where the probed node with the lowest round-trip
        time is: a round trip cannot be told from its parts, but the lowest was to somewhere near."""
        near = self._request.near
        place = near if isinstance(near, Place) else self._probed_place(near or ())
        latitudes, longitudes = self._index.numbers("latitude", rows), self._index.numbers("longitude", rows)
        known = (latitudes != MISSING) & (longitudes != MISSING)
        distances = np.full(len(rows), MISSING, np.int64)
        if place is not None:
            haversine = haversines(place.latitude, place.longitude, latitudes[known], longitudes[known])
            angles = 2 * np.arcsin(np.sqrt(haversine.clip(0, 1)))
            distances[known] = np.rint(angles * EARTH_RADIUS_M).astype(np.int64)
        return distances

    def _probed_place(self, probes: tuple[Probe, ...]) -> Place | None:
        """Where the nearest probed node is that is held and says where it is; None when there is none."""
        for probe in sorted(probes, key=lambda probe: (probe.round_trip_time_us, probe.node_id)):
            fields = self._index.fields_of(probe.node_id) or {}
            latitude, longitude = fields.get("latitude"), fields.get("longitude")
            if isinstance(latitude, int) and isinstance(longitude, int):
                return Place(latitude, longitude)
        return None


def _refused(path: str, message: str) -> Refused:
    return Refused(-32602, "params.invalid", f"{path}: {message}", path=path)
