"""The body of a lease, read strictly by whoever shows it."""

from __future__ import annotations

import pytest
from cells_world import T, proof, public

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import SUCCESSORS_MAX
from p2preg.cells.lease import ATTACHED, GONE, LOST, LeaseBody, Proof

PLAIN = LeaseBody(7, ATTACHED, "serving", T, proof("carol", "alice"))
DRAINING = LeaseBody(
    0, LOST, "draining", T, proof("carol", "alice"), T + 1, "maintenance", (public("bob"),) * SUCCESSORS_MAX
)


@pytest.mark.parametrize("body", [PLAIN, DRAINING], ids=["plain", "draining"])
def test_a_body_is_what_its_map_says(body: LeaseBody) -> None:
    assert LeaseBody.from_map(body.to_map()) == body


def test_absent_fields_are_left_out() -> None:
    assert PLAIN.to_map().keys() == {"slot", "contact", "state", "epoch", "proof"}


def test_fields_of_a_later_release_are_passed_over() -> None:
    assert LeaseBody.from_map(PLAIN.to_map() | {"later": 1}) == PLAIN


@pytest.mark.parametrize(
    "change",
    [
        {"contact": GONE + 1},
        {"contact": "attached"},
        {"state": 1},
        {"epoch": -1},
        {"proof": []},
        {"deadline_ms": "soon"},
        {"reason": 1},
        {"successors": "bob"},
        {"successors": [b"short"]},
        {"successors": [public("bob")] * (SUCCESSORS_MAX + 1)},
    ],
    ids=str,
)
def test_a_field_that_cannot_be_read_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RemoteProtocolError):
        LeaseBody.from_map(DRAINING.to_map() | change)


def test_a_proof_is_for_one_network_and_one_home() -> None:
    given = Proof("127.0.0.1:7000", bytes(32), T, bytes(64))
    messages = [given.message(network, public(home)) for network in ("one", "two") for home in ("alice", "bob")]
    assert len(set(messages)) == 4
