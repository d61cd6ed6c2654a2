"""The first few of many by several keys, without sorting the many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Key = npt.NDArray[Any]  # one number per candidate; keys of one call may differ in type
Positions = npt.NDArray[np.intp]


def lowest(keys: Sequence[Key], wanted: int) -> Positions:
    """The positions of the `wanted` lowest candidates, in order: by the first key, ties by the next; what ties in
    all of them stays in the order it came. Linear in the candidates (numpy's introselect), then a sort of few."""
    taken: list[Positions] = []
    pool: Positions = np.arange(len(keys[0]))
    left = wanted
    for key in keys:
        if left <= 0 or len(pool) <= left:
            break
        values = key[pool]
        threshold = np.partition(values, left - 1)[left - 1]
        taken.append(pool[values < threshold])
        left -= len(taken[-1])
        pool = pool[values == threshold]
    few = np.concatenate([*taken, pool])
    few.sort()
    return few[np.lexsort([key[few] for key in reversed(keys)])][: max(wanted, 0)]


def index_within(groups: Sequence[Key], keys: Sequence[Key]) -> npt.NDArray[np.int64]:
    """For each candidate, how many of its own group (equal in all of `groups`) come before it by `keys`."""
    order = np.lexsort([*reversed(keys), *reversed(groups)])
    starts = np.zeros(len(order), bool)
    starts[:1] = True
    for group in groups:
        sorted_group = group[order]
        starts[1:] |= sorted_group[1:] != sorted_group[:-1]
    places = np.arange(len(order))
    result = np.empty(len(order), np.int64)
    result[order] = places - np.maximum.accumulate(np.where(starts, places, 0))
    return result
