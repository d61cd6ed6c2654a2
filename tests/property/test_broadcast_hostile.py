"""Whatever neighbours and strangers send in whatever order, the broadcast raises nothing and keeps every cap."""

from __future__ import annotations

from itertools import product
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.effects import Misbehaved, Schedule, Send
from p2preg.base.events import Expired, NeighborDown, NeighborUp, Received
from p2preg.base.timers import TimerQueue
from p2preg.broadcast.batch import Batch, sign_batch
from p2preg.broadcast.config import BroadcastConfig
from p2preg.broadcast.core import BroadcastCore
from p2preg.broadcast.effects import Deliver
from p2preg.broadcast.events import Accepted, OriginDropped, OriginHeld, Refused
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify
from p2preg.wire.messages import Announcement, Gossip, Graft, IHave, Ping, Prune, decode_message, encode_message

NETWORK = "test-0123456789abcdef"
KEYS = [IdentityKey(bytes([at]) * 32) for at in range(1, 5)]
ME, *ORIGINS = [key.public for key in KEYS]
PEERS = [bytes([at]) * 32 for at in range(100, 105)]
CAPS = {
    "p2preg.broadcast.core.BROADCAST_NEIGHBORS_MAX": 3,
    "p2preg.broadcast.core.BROADCAST_ORIGINS_MAX": 3,
    "p2preg.broadcast.core.GRAFT_ANSWER_BYTES_MAX": 700,
    "p2preg.broadcast.cache.CACHED_BATCHES_MAX": 4,
    "p2preg.broadcast.core.CACHED_BATCHES_MAX": 4,
    "p2preg.broadcast.pending.PENDING_BATCHES_MAX": 4,
    "p2preg.broadcast.core.PENDING_BATCHES_MAX": 4,
    "p2preg.broadcast.missing.ANNOUNCED_MAX": 6,
    "p2preg.broadcast.core.ANNOUNCED_MAX": 6,
    "p2preg.broadcast.progress.GAP_SPANS_MAX": 2,
    "p2preg.broadcast.core.GAP_SPANS_MAX": 2,
    "p2preg.broadcast.link.BROKEN_PROMISES_MAX": 2,
}


def batch_by(key: IdentityKey, epoch: int, counter: int) -> Batch:
    return sign_batch(
        key,
        network=NETWORK,
        epoch=epoch,
        counter=counter,
        issued_ms=0,
        uptime_ms=0,
        interval_ms=5_000,
        cells=[b"cell"] * (counter % 2),
    )


BATCHES = [batch_by(key, epoch, counter) for key, epoch, counter in product(KEYS, (1, 2), (1, 2, 3, 7, 2**63 - 1))]
RAWS = [batch.raw for batch in BATCHES]
FORGED = [raw[:-1] + bytes([raw[-1] ^ 1]) for raw in RAWS[::3]]

ids = st.sampled_from([batch.batch_id for batch in BATCHES]) | st.binary(min_size=16, max_size=16)
origins = st.sampled_from([ME, *ORIGINS]) | st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 9) | st.integers(0, 2**63 - 1)
honest = st.sampled_from([Announcement(b.batch_id, b.origin, b.epoch, b.counter) for b in BATCHES])
announcements = honest | st.builds(Announcement, ids, origins, numbers, numbers)
messages = st.one_of(
    st.builds(Gossip, st.sampled_from(RAWS)),
    st.builds(Gossip, st.sampled_from(FORGED) | st.binary(min_size=1, max_size=40)),
    st.builds(IHave, st.lists(announcements, max_size=12)),
    st.builds(Graft, st.lists(ids, max_size=6), st.lists(origins, max_size=4)),
    st.builds(Prune, st.lists(origins, max_size=4)),
    st.builds(Ping, numbers),
)
peers = st.sampled_from(PEERS)
steps = st.one_of(
    st.builds(Received, peers, messages),
    st.builds(Received, peers, messages),
    st.builds(Received, peers, messages),
    st.builds(NeighborUp, peers),
    st.builds(NeighborDown, peers),
    st.builds(OriginHeld, st.sampled_from(ORIGINS)),
    st.builds(OriginDropped, st.sampled_from([ME, *ORIGINS])),
    st.floats(0.0, 5.0),  # let time pass
    st.just("judge"),  # the node says what became of all it was handed
)


class World:
    """A core, its timers, and a node that verifies when it is told to."""

    def __init__(self) -> None:
        self.core = BroadcastCore(ME, NETWORK, BroadcastConfig())
        self.timers = TimerQueue()
        self.now = 0.0
        self.unjudged: dict[bytes, Batch] = {}
        self.accepted: dict[bytes, None] = {}

    def tell(self, event: object) -> None:
        for effect in self.core.handle(event, self.now):
            match effect:
                case Schedule(at, timer):
                    assert at >= self.now
                    self.timers.set(timer, at)
                case Deliver(_, batch):
                    assert batch.batch_id not in self.unjudged, "delivered twice while it was pending"
                    assert batch.batch_id not in self.accepted, "delivered again after it was accepted"
                    self.unjudged[batch.batch_id] = batch
                case Send(_, message):
                    assert decode_message(encode_message(message)) == message
                case Misbehaved(peer):
                    assert peer in PEERS
        self.core.check_invariants()

    def step(self, step: object) -> None:
        if isinstance(step, float):
            self.now += step
            for timer in list(self.timers.pop_due(self.now)):
                self.tell(Expired(timer))
        elif step == "judge":
            while self.unjudged:
                batch_id, batch = self.unjudged.popitem()
                genuine = verify(batch.check)
                if genuine:
                    self.accepted[batch_id] = None
                self.tell(Accepted(batch) if genuine else Refused(batch_id))
        else:
            self.tell(step)


@settings(max_examples=120, deadline=None)
@given(st.lists(steps, max_size=60))
def test_no_sequence_of_messages_raises_breaks_a_cap_or_delivers_twice(sequence: list[object]) -> None:
    world = World()
    with_caps = [patch(name, cap) for name, cap in CAPS.items()]
    for each in with_caps:
        each.start()
    try:
        for event in (NeighborUp(PEERS[0]), NeighborUp(PEERS[1]), OriginHeld(ORIGINS[0]), *sequence):
            world.step(event)
    finally:
        for each in with_caps:
            each.stop()


@settings(max_examples=40, deadline=None)
@given(st.lists(messages, max_size=30))
def test_a_stranger_leaves_no_trace(sequence: list[object]) -> None:
    core = BroadcastCore(ME, NETWORK, BroadcastConfig())
    core.handle(NeighborUp(PEERS[0]), 0.0)
    core.handle(OriginHeld(ORIGINS[0]), 0.0)
    before = core.statistics()
    assert [core.handle(Received(PEERS[1], message), 1.0) for message in sequence] == [[]] * len(sequence)
    assert core.statistics() == before
