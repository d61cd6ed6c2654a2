"""Waiting for conditions."""

from __future__ import annotations

import trio
import trio.testing

from p2preg.demo.pulse import Pulse


async def test_what_holds_already_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    assert await Pulse().until(lambda: True, 10)
    assert trio.current_time() == 0


async def test_a_beat_makes_the_waiting_look_again(autojump_clock: trio.testing.MockClock) -> None:
    pulse, seen = Pulse(), [0]

    async def change() -> None:
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()
            seen[0] += 1
            pulse.beat()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        assert await pulse.until(lambda: seen[0] == 3, 10)
    assert trio.current_time() == 0


async def test_a_beat_while_it_looks_is_not_missed(autojump_clock: trio.testing.MockClock) -> None:
    pulse, looks = Pulse(), [0]

    def holds() -> bool:
        looks[0] += 1
        if looks[0] == 1:
            pulse.beat()
        return looks[0] == 2

    assert await pulse.until(holds, 10)
    assert trio.current_time() == 0


async def test_what_never_holds_is_given_up_at_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    assert not await Pulse().until(lambda: False, 10)
    assert trio.current_time() == 10
