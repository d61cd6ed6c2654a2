"""The trace tells runs apart by everything that happened in them, and by nothing else."""

from __future__ import annotations

import pytest

from p2preg.base.errors import Refused
from p2preg.base.events import Received
from p2preg.sim.scenario import Setting
from p2preg.sim.scenarios import speed
from p2preg.sim.trace import CHUNK_BYTES, Trace
from p2preg.wire.messages import Gossip, Ping

EVENT = Received(b"p" * 32, Gossip(b"batch"))


def digest(*notes: tuple[float, str, object]) -> str:
    trace = Trace()
    for note in notes:
        trace.note(*note)
    assert trace.events == len(notes)
    return trace.digest()


@pytest.mark.parametrize(
    "other",
    [
        (1.0000001, "alice", EVENT),
        (1.0, "bob", EVENT),
        (1.0, "alice", Received(b"q" * 32, Gossip(b"batch"))),
        (1.0, "alice", Received(b"p" * 32, Gossip(b"botch"))),
        (1.0, "alice", Received(b"p" * 32, Ping(1))),
        (1.0, "alice", None),
    ],
)
def test_a_different_time_machine_peer_or_payload_is_another_run(other: tuple[float, str, object]) -> None:
    assert digest((1.0, "alice", EVENT)) == digest((1.0, "alice", EVENT))
    assert digest((1.0, "alice", EVENT)) != digest(other)


def test_errors_and_answers_can_be_noted() -> None:
    answers = [({"a": [1, 2.5, None]}, None), (None, Refused(-32001, "auth.clock", "late"))]
    assert len({digest((1.0, "client 1", answer)) for answer in answers}) == 2


def test_looking_at_the_hash_changes_nothing_and_neither_do_chunks() -> None:
    long = Received(b"p" * 32, Gossip(bytes(CHUNK_BYTES // 3)))
    looked_at, left_alone = Trace(), Trace()
    for number in range(10):
        looked_at.note(float(number), "alice", long)
        left_alone.note(float(number), "alice", long)
        looked_at.digest()
    assert looked_at.digest() == left_alone.digest()


def test_how_fast_a_machine_is_does_not_enter_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SECONDS", 6.0)
    monkeypatch.setattr(speed, "WARM_UP_SECONDS", 6.0)
    one, two = (speed.SPEED.run(Setting(3, 1)) for _ in range(2))
    assert one.trace_hash == two.trace_hash
    assert one.figures["gossip_events"] == two.figures["gossip_events"]
    assert one.figures["events_per_s"] not in (0, "")
