"""A nursery that does not show: an exception comes out of its block as itself, as callers of an SDK expect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_flat_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery; when one exception (besides cancellations) ended it, that one is raised, not a group around it."""
    single: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        single = _single(group)
        if single is None:
            raise
    if single is not None:
        raise single


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The one exception in a group that is no cancellation; None when there are none or several."""
    _, failures = group.split(trio.Cancelled)
    found: BaseException | None = failures
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    return None if isinstance(found, BaseExceptionGroup) else found
