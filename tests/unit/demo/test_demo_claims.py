"""Each line of the summary follows from figures, and one that does not hold says what was expected and seen."""

from __future__ import annotations

import pytest

from p2preg.demo import claims
from p2preg.demo.claims import Claim, View

SAME = [View("R1", 2, "ab" * 16), View("R2", 2, "ab" * 16)]
TORN = [View("R1", 2, "ab" * 16), View("R2", 2, "cd" * 16)]
SHOWN = {"R1": {"alice": {}, "bob": {}}, "R2": {"alice": {}, "bob": {}}}

HOLDING = [
    claims.formed({"R1": 1, "R2": 1}, {"R1": True, "R2": True}, 1.0),
    claims.visible_everywhere(["alice", "bob"], SHOWN, SAME),
    claims.visible_soon([0.01, 0.2]),
    claims.discovered("kind=sfu", ["alice", "bob"], {"R1": ["bob", "alice"], "R2": ["alice", "bob"]}),
    claims.crashed({"R1": 0.1, "R2": 0.2}, 3),
    claims.drained({"R1": 0.1, "R2": 0.2}),
    claims.expired({"R1": 15.1, "R2": 15.4}, 3),
    claims.failed_over(2, [0.1, 0.3], 2),
    claims.came_back(True, (5, 6), 2, 2, 1.2),
    claims.resumed(0.2, SAME[0], SAME[1]),
    claims.scored(80.0, 40.0, {"R1": 1.0, "R2": 2.0}),
    claims.withstood(3, 12, [1.5, -2.0]),
    claims.nobody_lost(49, 0, SAME),
    claims.memory({"R1": 40.0, "R2": 44.0}),
    claims.memory({"R1": None, "R2": None}),
    claims.farewell(49, 49),
    claims.left({"R1": 0, "R2": 0}, 0.4),
]
BROKEN = [
    claims.formed({"R1": 1, "R2": 0}, {"R1": True, "R2": True}, 30.0),
    claims.formed({"R1": 1, "R2": 1}, {"R1": True, "R2": False}, 30.0),
    claims.visible_everywhere(["alice", "carol"], SHOWN, SAME),
    claims.visible_everywhere(["alice", "bob"], SHOWN, TORN),
    claims.visible_everywhere([], SHOWN, SAME),
    claims.visible_soon([]),
    claims.visible_soon([0.1, claims.VISIBLE_SECONDS_MAX + 0.1]),
    claims.discovered("kind=sfu", ["alice"], {"R1": ["alice"], "R2": []}),
    claims.discovered("kind=sfu", ["alice"], {"R1": ["alice"], "R2": ["alice", "mallory"]}),
    claims.discovered("kind=sfu", ["alice"], {}),
    claims.crashed({"R1": 0.1, "R2": None}, 3),
    claims.crashed({"R1": 0.1, "R2": claims.SUSPECT_SECONDS_MAX + 0.1}, 3),
    claims.drained({}),
    claims.expired({"R1": 15.1, "R2": None}, 3),
    claims.expired({"R1": 2.0, "R2": 15.1}, 3),
    claims.expired({"R1": 15.1, "R2": 60.0}, 3),
    claims.failed_over(2, [0.1], 2),
    claims.failed_over(2, [0.1, 0.3], 1),
    claims.failed_over(2, [0.1, claims.FAILOVER_SECONDS_MAX + 1], 2),
    claims.failed_over(0, [], 0),
    claims.came_back(False, (5, 6), 2, 2, 1.2),
    claims.came_back(True, (6, 6), 2, 2, 1.2),
    claims.came_back(True, (5, 6), 1, 2, 40.0),
    claims.resumed(None, SAME[0], SAME[1]),
    claims.resumed(0.2, TORN[0], TORN[1]),
    claims.scored(60.0, 59.0, {"R1": 1.0}),
    claims.scored(80.0, 40.0, {"R1": 1.0, "R2": None}),
    claims.withstood(3, 12, [1.5, -20.0]),
    claims.withstood(3, 12, []),
    claims.nobody_lost(49, 1, SAME),
    claims.nobody_lost(49, 0, TORN),
    claims.memory({"R1": 40.0, "R2": claims.MEMORY_MIB_MAX + 1}),
    claims.farewell(48, 49),
    claims.left({"R1": 0, "R2": -9}, 0.4),
    claims.left({"R1": 0, "R2": 0}, claims.LEAVE_SECONDS_MAX + 1),
]


@pytest.mark.parametrize("claim", HOLDING, ids=lambda claim: claim.name)
def test_what_was_measured_to_be_so_holds(claim: Claim) -> None:
    assert claim.holds
    assert "expected" not in claim.said


@pytest.mark.parametrize("claim", BROKEN, ids=lambda claim: claim.name)
def test_what_was_not_so_says_what_was_expected_and_seen(claim: Claim) -> None:
    assert not claim.holds
    assert claim.said.startswith("expected ")
    assert "; saw " in claim.said


def test_the_figures_stand_in_the_line() -> None:
    assert claims.visible_everywhere(["alice", "carol"], SHOWN, TORN) == Claim(
        "acknowledged = visible everywhere",
        False,
        "expected none missing and equal digests; saw 2 acknowledged, 2 missing at 2 registries, "
        "digests R1 2×abababab, R2 2×cdcdcdcd",
    )


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert claims.percentile([4.0, 2.0, 1.0, 3.0], share) == value


@pytest.mark.parametrize(("seconds", "text"), [(0.0042, "4 ms"), (0.25, "250 ms"), (1.0, "1.0 s"), (15.04, "15.0 s")])
def test_a_duration_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert claims.duration(seconds) == text
