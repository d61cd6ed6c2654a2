"""Great-circle distance between places in micro-degrees: the haversine formula on a sphere of the earth's mean radius.

`haversine` decides; `haversines` is its fast form for columns and may differ in the last bits, so whoever needs the
same verdict from both asks `haversine` again near the limit.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_M = 6_371_008.8  # mean radius R1 (IUGG)
HALF_CIRCUMFERENCE_M = math.ceil(math.pi * EARTH_RADIUS_M)  # no two places are further apart

_RADIANS = math.pi / 180_000_000

# The two forms differ by a few units in the last place of numbers up to 1; this is far more, and still only 13 m.
HAVERSINE_MARGIN = 1e-12


def haversine(latitude_1: int, longitude_1: int, latitude_2: int, longitude_2: int) -> float:
    """The haversine of the angle between two places, 0..1: grows with distance, and costs no arcsine."""
    north = math.sin((latitude_2 - latitude_1) * _RADIANS / 2)
    east = math.sin((longitude_2 - longitude_1) * _RADIANS / 2)
    return north * north + math.cos(latitude_1 * _RADIANS) * math.cos(latitude_2 * _RADIANS) * east * east


def haversines(
    latitude: int, longitude: int, latitudes: npt.NDArray[np.int64], longitudes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """`haversine` from one place to many."""
    north = np.sin((latitudes - latitude) * (_RADIANS / 2))
    east = np.sin((longitudes - longitude) * (_RADIANS / 2))
    result: npt.NDArray[np.float64] = north * north + math.cos(latitude * _RADIANS) * np.cos(latitudes * _RADIANS) * (
        east * east
    )
    return result


def haversine_limit(metres: int) -> float:
    """The haversine of the angle that `metres` on the surface span; everything is within half the circumference."""
    if metres >= HALF_CIRCUMFERENCE_M:
        return math.inf
    return math.sin(metres / (2 * EARTH_RADIUS_M)) ** 2


def metres(haversine: float) -> float:
    """The distance that a haversine stands for."""
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, max(0.0, haversine))))
