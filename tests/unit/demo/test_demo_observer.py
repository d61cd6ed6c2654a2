"""What an observer makes of a registry's notifications."""

from __future__ import annotations

from typing import Any

from p2preg.demo.claims import View
from p2preg.demo.observer import Observer
from p2preg.demo.pulse import Pulse

REGISTRY = "aa" * 32


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def observer(clock: Clock) -> Observer:
    return Observer("R1", lambda: "ws://127.0.0.1:1/", Pulse(), clock)


def event(
    kind: str, node_id: str, contact: str = "live", version: str = "01", state: str = "serving"
) -> dict[str, Any]:
    node = {"node_id": node_id, "version": version, "contact": contact, "state": state, "home": REGISTRY}
    return {"type": kind, "node_id": node_id, "version": version, "node": node}


def told(eye: Observer, *events: dict[str, Any]) -> None:
    eye.on_events({"subscription": 1, "n": 1, "events": list(events)})


def test_it_holds_what_the_registry_shows_and_sums_the_versions() -> None:
    eye = observer(Clock())
    alice, bob = event("enter", "alice", version="ff" * 16), event("enter", "bob", version=f"{2:032x}")
    told(eye, alice, bob, {"type": "synced"})
    assert eye.synced
    assert eye.view == View("R1", 2, f"{1:032x}")
    assert (eye.contact("alice"), eye.home("alice"), eye.contact("carol")) == ("live", REGISTRY, "")


def test_a_node_is_on_offer_while_it_serves_and_lives() -> None:
    eye = observer(Clock())
    told(eye, event("enter", "alice"), event("enter", "bob", state="draining"), event("enter", "carol", "suspect"))
    assert [eye.offers(name) for name in ("alice", "bob", "carol", "mallory")] == [True, False, False, False]


def test_the_first_moment_of_each_contact_is_kept() -> None:
    clock = Clock()
    eye = observer(clock)
    for clock.now, contact in ((1.0, "live"), (2.0, "suspect"), (3.0, "live"), (4.0, "suspect"), (9.0, "expired")):
        told(eye, event("update", "alice", contact))
    assert eye.first_seen == {"alice": 1.0}
    assert eye.first_contact == {("alice", "live"): 1.0, ("alice", "suspect"): 2.0, ("alice", "expired"): 9.0}


def test_who_leaves_the_answer_is_held_no_more() -> None:
    eye = observer(Clock())
    told(eye, event("enter", "alice"), {"type": "leave", "node_id": "alice", "reason": "expired"})
    assert eye.view == View("R1", 0, "0" * 32)


def test_registries_count_as_heard_for_three_heartbeats() -> None:
    eye = observer(Clock())
    eye.peers = [{"heartbeat_age_s": 0.5}, {"heartbeat_age_s": 14.9}, {"heartbeat_age_s": 15.1}, {}]
    assert eye.hears == 2
