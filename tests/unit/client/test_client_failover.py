"""Which registry next, and after how long."""

from random import Random

import pytest
import trio
import trio.testing

from p2preg.base.errors import ConfigError
from p2preg.base.limits import CLIENT_CANDIDATES_MAX
from p2preg.client.failover import JITTER, PAUSE_MOST, STABLE_SECONDS, Candidates, Failover
from p2preg.client.replies import RegistryUrl


def url(number: int) -> str:
    return f"ws://r{number}:80/"


def peers(*numbers: int) -> list[RegistryUrl]:
    return [RegistryUrl(registry_id="", rpc=url(number)) for number in numbers]


def test_the_round_is_those_given_then_those_learned_and_begins_again() -> None:
    candidates = Candidates(["ws://r1/", "ws://R2", "ws://r1:80/"])
    candidates.learn([*peers(3, 2), RegistryUrl("", "nonsense")])
    order = []
    for _ in range(4):
        order.append(candidates.current)
        candidates.advance()
    assert order == [url(1), url(2), url(3), url(1)]
    assert (len(candidates), candidates.others()) == (3, [url(3), url(1)])


def test_the_preferred_one_is_next_out_of_turn_and_once() -> None:
    candidates = Candidates([url(1), url(2), url(3)])
    candidates.prefer(url(3))
    candidates.advance()
    assert candidates.current == url(3)
    candidates.advance()
    assert candidates.current == url(1)


def test_at_the_cap_the_one_learned_longest_ago_goes_and_those_given_stay() -> None:
    candidates = Candidates([url(0)])
    candidates.learn(peers(*range(1, CLIENT_CANDIDATES_MAX + 1)))
    candidates.learn(peers(1, 1000))  # heard of again: 2 is now the oldest
    assert len(candidates) == 1 + CLIENT_CANDIDATES_MAX
    assert set(candidates.others()) >= {url(1), url(1000)}
    assert url(2) not in candidates.others()
    assert candidates.current == url(0)


def test_a_current_one_that_was_forgotten_is_followed_by_the_first() -> None:
    candidates = Candidates([url(0)])
    candidates.learn(peers(1))
    candidates.advance()
    candidates.learn(peers(*range(100, 100 + CLIENT_CANDIDATES_MAX)))
    candidates.advance()
    assert candidates.current == url(0)


def test_somebody_must_be_named() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Candidates([])


async def test_a_round_is_quick_and_rounds_in_vain_are_ever_slower(clock: object) -> None:
    failover = Failover([url(1), url(2)], Random(1))
    pauses = []
    for _ in range(40):
        began = trio.current_time()
        await failover.next()
        pauses.append(trio.current_time() - began)
    assert max(pauses[0::2]) <= JITTER
    assert 0.25 <= pauses[1] <= 0.5 <= pauses[3] <= 1.0 <= pauses[5] <= 2.0
    assert PAUSE_MOST / 2 <= pauses[-1] <= PAUSE_MOST


async def test_a_stay_that_was_long_enough_forgets_earlier_failures(clock: object) -> None:
    failover = Failover([url(1)], Random(1))
    for _ in range(8):
        await failover.next()
    failover.stayed(STABLE_SECONDS - 1)
    began = trio.current_time()
    await failover.next()
    assert trio.current_time() - began > 10.0
    failover.stayed(STABLE_SECONDS)
    began = trio.current_time()
    await failover.next()
    assert trio.current_time() - began <= 0.5
