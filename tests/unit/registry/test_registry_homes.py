"""Which registries are heard: every rule of the liveness of homes, on a clock of its own."""

from __future__ import annotations

import pytest

from p2preg.base.errors import LocalProtocolError
from p2preg.registry.homes import FIRST_BATCH_AGE_MS_MAX, PRESERVING_SECONDS_MAX, Homes

OWN, ALICE, BOB = b"o" * 32, b"a" * 32, b"b" * 32
T = 1_800_000_000_000


class World:
    """`Homes` and the batches that reach them. Every home of `names` starts at 0 and is known at once."""

    def __init__(self, *names: bytes) -> None:
        self.homes = Homes(OWN, 1, 0.0)
        self.counts: dict[bytes, int] = {}
        for name in names:
            self.homes.add(name, 1, 0.0)

    def hear(
        self,
        name: bytes,
        now: float,
        late: float = 0.0,
        interval: float = 5.0,
        epoch: int = 1,
        issued: float | None = None,
    ) -> bool:
        """A batch that was `late` seconds on its way."""
        issued_ms = T + int((now - late if issued is None else issued) * 1000)
        uptime_ms = int((now - late) * 1000)
        return self.homes.batch(name, epoch, uptime_ms, int(interval * 1000), issued_ms, now, T + int(now * 1000))


def test_a_home_is_heard_for_three_of_the_intervals_that_it_announces() -> None:
    world = World(ALICE)
    assert not world.homes.heard(ALICE, 100.0)
    world.hear(ALICE, 100.0)
    world.hear(ALICE, 102.0, interval=20.0)
    assert world.homes.heard(ALICE, 162.0)
    assert not world.homes.heard(ALICE, 162.1)


def test_we_hear_ourselves_and_nobody_unknown() -> None:
    world = World()
    assert world.homes.heard(OWN, 5.0)
    assert world.homes.epoch(OWN) == 1
    assert not world.hear(BOB, 5.0)
    assert not world.homes.heard(BOB, 5.0)
    assert world.homes.heartbeat_age(BOB, 5.0) is None


def test_a_farewell_ends_it_at_once_and_is_no_reason_to_preserve() -> None:
    names = [bytes([number]) * 32 for number in range(4)]
    world = World(*names)
    for name in names:
        world.hear(name, 10.0)
    for name in names:
        world.hear(name, 11.0, interval=0.0)
    assert not any(world.homes.heard(name, 11.0) for name in names)
    world.homes.tick(12.0)
    assert not world.homes.preserving
    assert not world.homes.isolated(12.0)


def test_a_batch_ten_seconds_slower_than_the_best_of_its_epoch_is_no_sign_of_life() -> None:
    world = World(ALICE)
    assert world.hear(ALICE, 100.0, late=0.2)
    assert world.hear(ALICE, 105.0, late=10.1)
    assert not world.hear(ALICE, 110.0, late=10.3)
    assert not world.hear(ALICE, 700.0, late=20.0)
    assert world.hear(ALICE, 1301.0, late=20.0), "after ten minutes the old best no longer counts: paths change"


def test_a_new_epoch_is_measured_by_its_own_best() -> None:
    world = World(ALICE)
    world.hear(ALICE, 1_000.0)
    assert world.hear(ALICE, 1_005.0, late=990.0, epoch=2, issued=1_005.0)
    assert world.homes.epoch(ALICE) == 2
    assert not world.hear(ALICE, 1_006.0, epoch=1)


def test_the_first_batch_of_an_epoch_must_be_of_our_day() -> None:
    world = World(ALICE)
    assert not world.hear(ALICE, 5_000.0, late=FIRST_BATCH_AGE_MS_MAX / 1000 + 1)
    assert not world.homes.heard(ALICE, 5_000.0)


def test_whoever_issues_in_the_future_or_counts_an_endless_uptime_is_heard_all_the_same() -> None:
    world = World(ALICE)
    assert world.hear(ALICE, 10.0, issued=10_000.0)
    assert world.homes.batch(ALICE, 1, 2**62, 5_000, T, 11.0, T)


def test_a_known_epoch_is_told_once() -> None:
    world = World()
    assert [world.homes.add(ALICE, epoch, 0.0) for epoch in (5, 5, 4, 6)] == [True, False, False, True]
    assert not world.homes.add(OWN, 99, 0.0)
    assert world.homes.epoch(OWN) == 1


def test_a_tick_names_those_whose_verdict_has_changed() -> None:
    world = World(ALICE, BOB)
    world.hear(ALICE, 1.0)
    world.hear(BOB, 10.0)
    world.homes.tick(10.0)
    assert world.homes.tick(15.9) == []
    assert world.homes.tick(17.0) == [ALICE]
    assert world.homes.tick(18.0) == []


# --- self-preservation ----------------------------------------------------------------------------------------


def silence(world: World, names: list[bytes], heard: list[bytes], now: float) -> None:
    """`names` were heard at `now` for the last time, `heard` are heard still, 20 s later."""
    for name in (*names, *heard):
        world.hear(name, now)
    world.homes.tick(now)
    for name in heard:
        world.hear(name, now + 20.0)
    world.homes.tick(now + 20.0)


@pytest.mark.parametrize(
    ("silent", "heard", "preserving"),
    [(3, 0, True), (2, 0, False), (3, 17, False), (3, 16, True), (4, 16, True), (3, 40, False)],
)
def test_three_homes_and_more_than_15_percent_have_to_fall_silent(silent: int, heard: int, preserving: bool) -> None:
    names = [bytes([number]) * 32 for number in range(silent + heard)]
    world = World(*names)
    silence(world, names[:silent], names[silent:], 100.0)
    assert world.homes.preserving is preserving


def test_preserving_ends_after_two_minutes_and_begins_again_only_after_it_was_below() -> None:
    names = [bytes([number]) * 32 for number in range(4)]
    world = World(*names)
    silence(world, names, [], 100.0)
    assert world.homes.preserving
    assert world.homes.tick(120.0 + PRESERVING_SECONDS_MAX) == []
    assert world.homes.preserving
    assert sorted(world.homes.tick(121.0 + PRESERVING_SECONDS_MAX)) == names, "all are derived anew"
    assert not world.homes.preserving
    world.homes.tick(400.0)
    assert not world.homes.preserving
    silence(world, names, [], 410.0)
    assert world.homes.preserving


def test_homes_that_were_silent_for_ten_minutes_no_longer_count() -> None:
    names = [bytes([number]) * 32 for number in range(4)]
    world = World(*names)
    for name in names:
        world.hear(name, 0.0)
    world.homes.tick(601.0)
    assert not world.homes.preserving


# --- our own loop ---------------------------------------------------------------------------------------------


def test_our_own_stall_extends_our_patience_and_not_forever() -> None:
    world = World(ALICE)
    world.hear(ALICE, 100.0)
    world.homes.stalled(20.0, 120.0)
    assert world.homes.heard(ALICE, 134.9)
    assert not world.homes.heard(ALICE, 135.1)


def test_a_stall_cannot_be_negative() -> None:
    with pytest.raises(LocalProtocolError):
        World().homes.stalled(-1.0, 0.0)


# --- what is said of it ---------------------------------------------------------------------------------------


def test_freshness_counts_ourselves_and_the_age_of_the_oldest_heartbeat() -> None:
    world = World(ALICE, BOB)
    world.hear(ALICE, 8.0)
    assert world.homes.freshness(10.0) == (3, 2, 10.0), "Bob, never heard, counts from when he became known"
    world.hear(BOB, 9.0)
    assert world.homes.freshness(10.0) == (3, 3, 2.0)


def test_isolated_is_who_hears_less_than_half_of_those_that_are_there() -> None:
    names = [bytes([number]) * 32 for number in range(4)]
    world = World(*names)
    assert not World().homes.isolated(5.0)
    for name in names[:2]:
        world.hear(name, 10.0)
    assert not world.homes.isolated(11.0)
    world.homes.add(b"z" * 32, 1, 11.0)
    assert world.homes.isolated(11.0)


def test_a_forgotten_registry_is_unknown() -> None:
    world = World(ALICE)
    world.hear(ALICE, 1.0)
    world.homes.remove(ALICE)
    assert not world.homes.heard(ALICE, 1.0)
    assert world.homes.freshness(2.0) == (1, 1, 0.0)
    assert world.homes.tick(2.0) == []


def test_a_home_that_sends_batches_without_end_is_remembered_by_one_delay_a_second() -> None:
    world = World(ALICE)
    for number in range(3_000):
        world.hear(ALICE, 100.0 + number / 100, late=number / 1_000_000)
    assert len(world.homes._homes[ALICE].best) <= 31
    assert world.homes._homes[ALICE].best[0] == (100.0, 0.0)


def test_who_was_never_heard_has_not_fallen_silent() -> None:
    world = World(ALICE, BOB)
    world.hear(ALICE, 100.0)
    assert not world.homes.has_fallen_silent(ALICE, 115.0)
    assert world.homes.has_fallen_silent(ALICE, 115.1)
    assert not world.homes.has_fallen_silent(BOB, 1_000.0)
    assert not world.homes.has_fallen_silent(OWN, 1_000.0)
