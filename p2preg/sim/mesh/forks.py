"""Several futures of one network: each is lived in a copy of the process, so that a network that took minutes to grow
need not be grown again, and none of them sees what another did."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, TypeVar

T = TypeVar("T")


def in_a_copy(work: Callable[[], T]) -> T:
    """What `work` returns in a copy of this process, whose memory is left as it is. The result is pickled; an
    `AssertionError` there is raised here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _live(work, reading, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        raise RuntimeError("a copy of this process ended early; it has printed why")
    result: T | AssertionError = pickle.loads(told)
    if isinstance(result, AssertionError):
        raise result
    return result


def _live(work: Callable[[], T], reading: int, writing: int) -> NoReturn:
    """In the copy: tell what came of it, and end without going on as the original would."""
    try:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            try:
                pickle.dump(work(), pipe)
            except AssertionError as error:
                pickle.dump(error, pipe)
    finally:
        if sys.exception() is not None:
            traceback.print_exc()
        os._exit(0)
