"""No sequence of events from any peers raises anything, breaks an invariant or opens a container beyond its cap."""

import hashlib
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.effects import Schedule
from p2preg.base.events import ConnectFailed, Expired, PeerDown, PeerUp, Received
from p2preg.base.timers import TimerQueue
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.core import DhtCore
from p2preg.dht.effects import LookupDone
from p2preg.dht.events import Bootstrap, ContactSeen, StartLookup
from p2preg.wire.messages import FindNode, Goodbye, Nodes

KEYS = [hashlib.sha256(b"%d" % n).digest() for n in range(24)]
OWN_KEY = KEYS[0]
peers = st.sampled_from(KEYS)
targets = st.sampled_from([hashlib.sha256(key).digest() for key in KEYS] + [bytes(32), b"\xff" * 32])
cells = st.lists(st.one_of(peers, st.binary(min_size=1, max_size=40)), max_size=20)


def read_cell(cell):
    return Contact.of(cell, f"192.0.2.{cell[0]}:4010", cell) if cell in KEYS else None


EVENTS = st.one_of(
    st.builds(PeerUp, peers, st.booleans()),
    st.builds(PeerDown, peers),
    st.builds(ConnectFailed, peers),
    peers.map(read_cell).map(ContactSeen),
    st.builds(Received, peers, st.builds(FindNode, st.integers(0, 2**63 - 1), targets)),
    st.builds(Received, peers, st.builds(Nodes, st.one_of(st.integers(0, 30), st.integers(0, 2**63 - 1)), cells)),
    st.builds(Received, peers, st.just(Goodbye("bye"))),
    st.builds(StartLookup, st.integers(), targets),
    st.lists(peers.map(read_cell), max_size=3).map(lambda contacts: Bootstrap(tuple(contacts))),
    st.floats(0.01, 700.0),  # let time pass
)


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=60))
def test_any_sequence_of_events_is_survived_and_each_lookup_ends_once(events):
    core = DhtCore(OWN_KEY, Random(1), DhtConfig(k=4), read_cell)
    timers, now, ended, begun = TimerQueue(), 0.0, 0, 0

    def handle(event):
        nonlocal ended
        for effect in core.handle(event, now):
            if isinstance(effect, Schedule):
                assert effect.at >= now
                timers.set(effect.timer, effect.at)
            ended += isinstance(effect, LookupDone)
        core.check_invariants()

    def pass_time(until):
        nonlocal now
        while timers.next_deadline() <= until:
            now = timers.next_deadline()
            for timer in list(timers.pop_due(now)):
                handle(Expired(timer))
        now = until

    for event in events:
        if isinstance(event, float):
            pass_time(now + event)
        else:
            begun += isinstance(event, StartLookup)
            handle(event)
    assert OWN_KEY not in [contact.public_key for contact in core.contacts()]
    pass_time(now + 2000.0)
    assert ended == begun
    assert core.statistics().waiting == 0
