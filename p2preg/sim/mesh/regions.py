"""Registries spread over the world's data centres: 19 cloud regions, their weights and distances, as the public
simulator of superfly/corrosion has them (2026-08-19), so that figures can be compared with its. `regions.csv` holds the
facts: the place of each region in degrees, and how many machines it has in proportion."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from importlib.resources import files
from random import Random

EARTH_KM = 6371.0
JITTER = 0.15  # each message takes up to so much longer, as a share


@dataclass(frozen=True, slots=True)
class Region:
    """`latitude` and `longitude`: degrees. `weight`: its share of the registries, over the sum of all."""

    name: str
    latitude: float
    longitude: float
    weight: int


def read_regions() -> list[Region]:
    """The regions of `regions.csv`."""
    text = files(__package__).joinpath("regions.csv").read_text("utf-8")
    return [
        Region(row["region"], float(row["latitude"]), float(row["longitude"]), int(row["weight"]))
        for row in csv.DictReader(text.splitlines())
    ]


class RegionMap:
    """`count` registries, numbered, each in one of the regions. `latency(a, b)`: seconds one way, without jitter."""

    def __init__(self, seed: int, count: int) -> None:
        regions = read_regions()
        self._region_of = _placed(regions, count)
        Random(f"{seed} regions").shuffle(self._region_of)
        self._names = [region.name for region in regions]
        self._seconds = [[one_way_seconds(a, b) for b in regions] for a in regions]

    def region_of(self, number: int) -> str:
        return self._names[self._region_of[number]]

    def latency(self, a: int, b: int) -> float:
        return self._seconds[self._region_of[a]][self._region_of[b]]


def one_way_seconds(a: Region, b: Region) -> float:
    """Half of a round trip of 4 ms and 1 ms for each 75 km of the great circle."""
    return (4.0 + great_circle_km(a, b) / 75.0) / 2_000.0


def great_circle_km(a: Region, b: Region) -> float:
    """By the haversine formula, on a sphere."""
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    half_lat, half_lon = (lat_a - lat_b) / 2, math.radians(a.longitude - b.longitude) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))


def _placed(regions: list[Region], count: int) -> list[int]:
    """The region of each of `count` registries, in proportion to the weights: every share is within one of exact."""
    total = sum(region.weight for region in regions)
    ends, weight = [0], 0
    for region in regions:
        weight += region.weight
        ends.append(round(count * weight / total))
    return [at for at in range(len(regions)) for _ in range(ends[at], ends[at + 1])]
