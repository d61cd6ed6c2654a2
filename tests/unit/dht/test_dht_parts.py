"""Timeouts, failures and configuration."""

import pytest
from dht_people import person

from p2preg.base.errors import ConfigError
from p2preg.base.limits import DHT_FAILURES_MAX
from p2preg.dht.config import DhtConfig
from p2preg.dht.failures import Failures
from p2preg.dht.roundtrip import RoundTrip

ALICE = person(1).public_key


def test_the_timeout_is_the_smoothed_round_trip_and_four_deviations():
    trip = RoundTrip(DhtConfig())
    assert trip.timeout == 1.0
    trip.sample(0.4)
    assert trip.timeout == pytest.approx(0.4 + 4 * 0.2)
    trip.sample(0.4)
    assert trip.timeout == pytest.approx(0.4 + 4 * 0.15)


def test_the_timeout_stays_within_its_bounds():
    trip = RoundTrip(DhtConfig())
    for _ in range(50):
        trip.sample(0.001)
    assert trip.timeout == 0.3
    for _ in range(50):
        trip.back_off()
    assert trip.timeout == 3.0


def test_a_first_failure_rests_its_peer_and_each_further_one_twice_as_long():
    failures = Failures(DhtConfig())
    assert failures.note(ALICE, 100.0).retry_at == 110.0
    assert failures.is_resting(ALICE, 109.9)
    assert not failures.is_resting(ALICE, 110.0)
    assert ALICE in failures
    assert failures.note(ALICE, 110.0).retry_at == 130.0
    for _ in range(2000):
        failures.note(ALICE, failures.note(ALICE, 1e9).retry_at)
    assert failures.note(ALICE, 2e9).retry_at == 2e9 + 600.0


def test_two_failures_at_once_are_one():
    failures = Failures(DhtConfig())
    failures.note(ALICE, 100.0)
    assert failures.note(ALICE, 100.5).count == 1


def test_a_success_clears_the_count():
    failures = Failures(DhtConfig())
    failures.note(ALICE, 100.0)
    failures.clear(ALICE)
    assert ALICE not in failures
    assert failures.note(ALICE, 101.0).count == 1


def test_at_the_cap_the_oldest_failure_is_forgotten():
    failures = Failures(DhtConfig())
    people = [person(n).public_key for n in range(DHT_FAILURES_MAX + 1)]
    for each in people:
        failures.note(each, 0.0)
    assert len(failures) == DHT_FAILURES_MAX
    assert people[0] not in failures
    assert list(failures.resting(1.0)) == people[1:]


@pytest.mark.parametrize(
    "numbers",
    [
        {"alpha": 0},
        {"alpha": 21},
        {"paths": 0},
        {"paths": 21},
        {"circle": 19},
        {"k": 21},
        {"rpc_timeout_min": 2.0},
        {"dial_timeout": 1.0},
        {"link_linger": 1.0},
        {"backoff_min": 0.0},
        {"refresh_jitter": 1.0},
        {"failures_max": 0},
        {"bootstrap_retry": 0.0},
    ],
)
def test_numbers_that_contradict_each_other_are_refused(numbers):
    with pytest.raises(ConfigError, match="the DHT configuration needs"):
        DhtConfig(**numbers)
