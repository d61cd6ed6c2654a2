"""The outbox under any sequence of offers and takes: caps hold, nothing is torn, control is never lost in silence."""

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.net.frames import Traffic
from p2preg.wire.framing import FrameReader
from p2preg.wire.messages import Gossip, IHave, Message, Ping, Prune, decode_message
from p2preg.wire.outbox import Outbox

MESSAGES = st.one_of(
    st.integers(0, 2**63 - 1).map(Ping),
    st.integers(0, 20).map(lambda count: Prune([bytes(32)] * count)),
    st.integers(1, 600).map(lambda size: Gossip(bytes(size))),
    st.just(IHave([])),
)
STEPS = st.lists(st.one_of(MESSAGES, st.integers(1, 800)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_caps_hold_and_control_is_sent_or_refused(steps: list[Message | int]) -> None:
    traffic = Traffic()
    outbox = Outbox(2_000, 12, traffic)
    reader = FrameReader()
    taken: list[Message | None] = []
    accepted: list[Message] = []
    for step in [*steps, *[2_000] * 12]:
        if isinstance(step, int):
            taken += [decode_message(body) for body in reader.feed(outbox.take(step))]
            assert not reader.pending
        elif outbox.offer(step):
            accepted.append(step)
        outbox.check_invariants()
    assert len(outbox) == 0
    assert len(accepted) == len(taken) + traffic.gossip_dropped + traffic.announcements_dropped
    for kind in (Ping, Prune):  # in order, and none lost
        assert [m for m in taken if isinstance(m, kind)] == [m for m in accepted if isinstance(m, kind)]
