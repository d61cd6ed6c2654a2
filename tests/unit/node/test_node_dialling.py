"""Seeds, addresses and links: who is dialled, when, and who is told what came of it."""

from __future__ import annotations

import pytest

from p2preg.base.events import ConnectFailed, PeerUp
from p2preg.base.limits import ADDRESSES_MAX
from p2preg.dht.contact import Contact
from p2preg.node.addresses import Addresses
from p2preg.node.config import NodeConfig
from p2preg.node.effects import Dial
from p2preg.node.links import RELEASED_SECONDS, Links
from p2preg.node.seeds import Seeds
from p2preg.registry.sessions import Authorities
from p2preg.registry.surroundings import RegistrySettings

ALICE, BOB = b"a" * 32, b"b" * 32
SETTINGS = RegistrySettings("ws://h:1/", Authorities(("h:1",), 1))


def contact(peer: bytes, endpoint: str) -> Contact:
    return Contact.of(peer, endpoint, b"cell of " + peer)


# --- addresses ------------------------------------------------------------------------------------------------


def test_a_dial_is_made_once_at_a_time_and_not_at_once_after_a_failure() -> None:
    addresses = Addresses(0.5, 30.0)
    assert addresses.start_dial(ALICE, 0.0) is None, "no endpoint is known"
    addresses.learn(ALICE, "a:1")
    assert addresses.start_dial(ALICE, 0.0) == "a:1"
    assert addresses.is_dialling(ALICE)
    assert addresses.start_dial(ALICE, 9.0) is None
    addresses.failed(ALICE, 10.0)
    assert addresses.start_dial(ALICE, 10.4) is None
    assert addresses.start_dial(ALICE, 10.5) == "a:1"
    addresses.succeeded(ALICE)
    assert addresses.start_dial(ALICE, 10.5) == "a:1"


def test_the_pause_doubles_up_to_its_limit() -> None:
    addresses = Addresses(0.5, 4.0)
    addresses.learn(ALICE, "a:1")
    pauses = []
    for _ in range(6):
        addresses.failed(ALICE, 100.0)
        known = addresses._known.get(ALICE)
        assert known is not None
        pauses.append(known.retry_at - 100.0)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_new_endpoint_is_tried_at_once_and_the_same_one_is_no_news() -> None:
    addresses = Addresses(0.5, 30.0)
    addresses.learn(ALICE, "a:1")
    addresses.failed(ALICE, 0.9)
    addresses.learn(ALICE, "a:1")
    assert addresses.start_dial(ALICE, 1.0) is None
    addresses.learn(ALICE, "a:2")
    assert addresses.start_dial(ALICE, 1.0) == "a:2"


def test_who_broke_the_protocol_is_shunned_at_a_new_endpoint_too() -> None:
    addresses = Addresses(0.5, 30.0)
    addresses.learn(ALICE, "a:1")
    addresses.shun(ALICE, 0.0)
    addresses.learn(ALICE, "a:2")
    assert addresses.start_dial(ALICE, 1.0) is None
    assert addresses.is_shunned(ALICE, 29.0) and not addresses.is_shunned(ALICE, 30.0)
    assert addresses.start_dial(ALICE, 30.0) == "a:2"


def test_the_address_learned_longest_ago_goes_at_the_cap() -> None:
    addresses = Addresses(0.5, 30.0)
    for number in range(ADDRESSES_MAX + 1):
        addresses.learn(number.to_bytes(32), f"h:{number % 60_000}")
    assert addresses.endpoint((0).to_bytes(32)) is None
    assert addresses.endpoint((1).to_bytes(32)) == "h:1"


# --- seeds ----------------------------------------------------------------------------------------------------


def test_a_seed_is_dialled_until_it_answers_and_again_when_nobody_is_left() -> None:
    seeds = Seeds(("s:1", "s:2"), 0.5, 30.0, 0.0)
    assert seeds.due(0.0, lonely=True) == ["s:1", "s:2"]
    assert seeds.due(9.0, lonely=True) == [], "the outcome is not known yet"
    seeds.answered("s:1", ALICE, 10.0)
    assert seeds.failed("s:2", 10.0) == 10.5
    assert seeds.due(11.0, lonely=False) == ["s:2"]
    assert seeds.failed("s:2", 11.0) == 12.0
    assert seeds.due(41.0, lonely=False) == ["s:2"]
    assert seeds.due(41.0, lonely=True) == ["s:1"]
    assert seeds.failed("elsewhere:1", 5.0) is None


# --- links ----------------------------------------------------------------------------------------------------


def links(*seeds: str, endpoints: tuple[str, ...] = ("own:1",)) -> Links:
    return Links(NodeConfig(endpoints=endpoints, registry=SETTINGS, seeds=seeds), 0.0)


def test_our_own_endpoint_among_the_seeds_is_nobody_to_dial() -> None:
    assert links("own:1", "s:1").dials_due(0.0) == [Dial("s:1", None)]
    assert len(links("own:1").seeds) == 0


def test_a_wish_for_a_link_is_answered_at_once_or_by_the_outcome_of_one_dial() -> None:
    known = links()
    assert known.connect("overlay", ALICE, 0.0) == ConnectFailed(ALICE)
    known.addresses.learn(ALICE, "a:1")
    assert known.connect("overlay", ALICE, 0.0) == Dial("a:1", ALICE)
    assert known.connect("dht", ALICE, 0.0) is None
    assert known.dial_failed("a:1", ALICE, "no", 0.1) == ["overlay", "dht"]
    assert known.dial_failed("a:1", ALICE, "no", 0.2) == []
    assert known.connect("dht", ALICE, 0.2) == ConnectFailed(ALICE), "too soon after the failure"
    known.up(contact(ALICE, "a:1"), True, "a:1", 1.0, 0.02)
    assert known.connect("dht", ALICE, 1.0) == PeerUp(ALICE, True, 0.02)


def test_a_seed_that_was_reached_by_another_name_has_answered() -> None:
    known = links("seed.example:1")
    assert known.dials_due(0.0) == [Dial("seed.example:1", None)]
    known.up(contact(ALICE, "192.0.2.1:1"), True, "seed.example:1", 1.0)
    assert known.down(ALICE)
    assert known.dials_due(100.0) == [Dial("seed.example:1", None)]


@pytest.mark.parametrize(("released", "after"), [(False, 60.0), (True, RELEASED_SECONDS)])
def test_a_link_that_nobody_needs_is_idle_after_a_while(released: bool, after: float) -> None:
    known = links()
    known.up(contact(ALICE, "a:1"), False, "a:9", 0.0)
    if released:
        known.release(ALICE)
    assert known.used(ALICE, 5.0)
    assert known.idle([], 5.0 + after) == []
    assert known.idle([], 5.1 + after) == [ALICE]
    assert known.idle([ALICE], 5.1 + after) == [], "a neighbour"
    assert not known.used(BOB, 0.0)
