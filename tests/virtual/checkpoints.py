"""Something happens at the 1st, 2nd, 3rd… checkpoint of an exchange, each time in a new one.

A checkpoint here is wherever a task of the exchange gives up control: between two of its steps nothing can happen."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
import trio.testing
from trio._core import _run
from whole_nodes import make_clock

from p2preg import app
from p2preg.node.core import NodeCore
from p2preg.node.invariants import check_node


class Sweep(trio.abc.Instrument):
    """Iterate over it: it yields itself before each exchange, until one ended before its checkpoint came.

    Within an exchange `strike` or `cancelling` says what is to happen, and from where on steps count. `clock` is the
    run's; `checkpoints` says how many there were."""

    def __init__(self, clock: trio.testing.MockClock) -> None:
        self.clock = clock
        self.checkpoints = 0
        self.struck = False
        self._passed = 0
        self._act: Callable[[], object] | None = None
        self._watched: trio.lowlevel.Task | None = None

    def __repr__(self) -> str:
        return f"Sweep[checkpoint {self.checkpoints}]"

    def __iter__(self) -> Iterator[Sweep]:
        for number in itertools.count():
            self.checkpoints, self._passed, self.struck = number, 0, False
            yield self
            self.over()
            if not self.struck:
                return

    def strike(self, act: Callable[[], object]) -> None:
        """From here on the steps of the calling task and of all below it count. `act` must not wait."""
        self._act = act
        self._watched = trio.lowlevel.current_task()

    def over(self) -> None:
        """Nothing counts any more, in this exchange."""
        self._act = None

    @contextmanager
    def cancelling(self) -> Iterator[None]:
        """The block is what gets cancelled."""
        with trio.CancelScope() as scope:
            self.strike(scope.cancel)
            yield
        self.over()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._act is None or self.struck or not self._is_watched(task):
            return
        if self._passed == self.checkpoints:
            self.struck = True
            self._act()
        self._passed += 1

    def _is_watched(self, task: trio.lowlevel.Task | None) -> bool:
        while task is not None and task is not self._watched:
            task = task.parent_nursery.parent_task if task.parent_nursery is not None else None
        return task is not None


class CheckedCore(NodeCore):
    """Every invariant, after every event."""

    def handle(self, event: object, now: float, now_ms: int) -> list[Any]:
        effects = super().handle(event, now, now_ms)
        check_node(self)
        return effects


def sweep(
    exchanges: Callable[[Sweep], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, *, in_real_time: bool = False
) -> int:
    """Run `exchanges`, which iterates over the sweep and asserts what must hold after each; how many checkpoints there
    were. No task may be left in the end."""
    monkeypatch.setattr(app, "NodeCore", CheckedCore)
    swept = Sweep(make_clock(monkeypatch))
    with seeded_scheduling(1):
        trio.run(_in_full, exchanges, swept, clock=None if in_real_time else swept.clock, instruments=[swept])
    return swept.checkpoints


async def _in_full(exchanges: Callable[[Sweep], Awaitable[None]], swept: Sweep) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    await exchanges(swept)
    assert not swept.struck
    assert trio.lowlevel.current_statistics().tasks_living == before


@contextmanager
def seeded_scheduling(seed: int) -> Iterator[None]:
    """Of tasks that are ready Trio runs them in an order that depends on `seed` alone. A private switch, made for
    Hypothesis; the pinned release has it."""
    before, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r.seed(seed)
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        _run._r.setstate(state)
