"""Whatever peers send, in whatever order, the core raises nothing and keeps its invariants."""

from __future__ import annotations

import hashlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.effects import Send
from p2preg.base.events import Expired, PeerDown, PeerUp
from p2preg.reconcile.config import ReconcileConfig
from p2preg.reconcile.core import ReconcileCore
from p2preg.reconcile.digests import Digests
from p2preg.reconcile.events import Asked, Offered, Reconcile
from p2preg.wire import messages as wire
from p2preg.wire.messages import decode_message, encode_message

NOW_MS = 1_800_000_000_000
PEERS = [bytes([number]) * 32 for number in range(3)]
HELD = [hashlib.sha256(bytes([number])).digest() for number in range(40)]
RNG_START = random.Random(5).getrandbits(48)

peers = st.sampled_from(PEERS)
requests = st.integers(RNG_START, RNG_START + 8)  # near what the core asks, so that replies are taken for its own
moments = st.integers(NOW_MS - 700_000, NOW_MS + 700_000)
kinds = st.integers(0, 4)
shards = st.integers(0, 4096)
elements = st.sampled_from(HELD) | st.binary(min_size=32, max_size=32)
ranges = st.lists(st.builds(wire.Range, shards, shards), min_size=1, max_size=5) | st.just([wire.Range(0, 4096)])
digests = st.binary(min_size=16, max_size=16)
cells = st.lists(st.binary(min_size=1, max_size=20), max_size=4)
bits = st.integers(0, 2)
messages = st.one_of(
    st.builds(wire.AskFingerprints, requests, moments, kinds, ranges),
    st.builds(wire.Fingerprints, requests, st.lists(st.builds(wire.Fingerprint, st.integers(0, 99), digests))),
    st.builds(wire.AskElements, requests, moments, kinds, ranges, elements),
    st.builds(wire.Elements, requests, st.lists(elements, max_size=5).map(sorted), bits),
    st.builds(wire.AskCells, requests, kinds, st.lists(elements, min_size=1, max_size=5)),
    st.builds(wire.Cells, requests, cells, bits),
    st.builds(wire.AskStream, requests, moments, kinds, shards, elements),
    st.builds(wire.StreamCells, requests, cells, shards, elements, bits),
    st.builds(wire.PushCells, cells.filter(len)),
    st.builds(wire.SyncRefused, requests, st.sampled_from(["busy", "clock", "kind", "?"])),
    st.builds(wire.Ping, requests),
)
events = st.one_of(
    st.builds(Asked, peers, messages, st.just(NOW_MS)),
    st.builds(Asked, peers, messages, st.just(NOW_MS)),
    st.builds(Reconcile, peers, st.just(NOW_MS)),
    st.builds(Offered, st.none() | st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)),
    st.builds(Expired, st.integers(0, 5).map(lambda number: ("reconcile", number))),
    st.builds(PeerUp, peers, st.booleans()),
    st.builds(PeerDown, peers),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(events, st.floats(0.0, 3.0)), max_size=40))
def test_any_events_in_any_order_keep_the_invariants(steps: list[tuple[object, float]]) -> None:
    held = Digests()
    for number, element in enumerate(HELD):
        held.add(1 + number % 3, number * 100, bytes([number]), element, NOW_MS + number * 60_000)
    core = ReconcileCore(held, random.Random(5), ReconcileConfig(burst=5.0), lambda key: key * 1_000)
    now = 0.0
    for peer in PEERS[:2]:
        core.handle(PeerUp(peer, True), now)
    for event, later in steps:
        now += later
        for effect in core.handle(event, now):
            if isinstance(effect, Send):
                assert decode_message(encode_message(effect.message)) == effect.message
        core.check_invariants()
