"""The outbox: what goes first, what is dropped at the cap, and what closes the link."""

import pytest

from p2preg.base.errors import LocalProtocolError
from p2preg.base.limits import FRAME_BYTES_MAX, OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX
from p2preg.net.frames import Traffic
from p2preg.wire.framing import FrameReader
from p2preg.wire.messages import Gossip, IHave, Message, Ping, Prune, Shuffle, decode_message
from p2preg.wire.outbox import Outbox

PRUNE = Prune([])
IHAVE = IHave([])


def _outbox(*, bytes_max: int = OUTBOX_BYTES_MAX, messages_max: int = OUTBOX_MESSAGES_MAX) -> Outbox:
    return Outbox(bytes_max, messages_max, Traffic())


def _drain(outbox: Outbox) -> list[Message | None]:
    outbox.check_invariants()
    data = b""
    while frames := outbox.take(100):
        data += frames
    return [decode_message(body) for body in FrameReader().feed(data)]


def test_keep_alive_goes_first_then_control_then_gossip_then_announcements() -> None:
    outbox = _outbox()
    for message in (IHAVE, Gossip(b"a"), PRUNE, Gossip(b"b"), Ping(1)):
        assert outbox.offer(message)
    assert _drain(outbox) == [Ping(1), PRUNE, Gossip(b"a"), Gossip(b"b"), IHAVE]


def test_small_frames_leave_together_and_a_big_one_alone() -> None:
    outbox = _outbox()
    for message in (Gossip(b"x" * 10), Gossip(b"y" * 10), Gossip(b"z" * 500)):
        outbox.offer(message)
    first = outbox.take(100)
    assert [decode_message(body) for body in FrameReader().feed(first)] == [Gossip(b"x" * 10), Gossip(b"y" * 10)]
    assert len(outbox.take(100)) > 500
    assert outbox.take(100) == b""
    assert (len(outbox), outbox.bytes_waiting) == (0, 0)


def test_at_the_cap_announcements_go_first() -> None:
    outbox = _outbox(messages_max=3)
    for message in (Gossip(b"a"), IHAVE, PRUNE):
        outbox.offer(message)
    assert outbox.offer(Gossip(b"b"))
    assert _drain(outbox) == [PRUNE, Gossip(b"a"), Gossip(b"b")]


def test_then_the_oldest_gossip_goes() -> None:
    traffic = Traffic()
    outbox = Outbox(10_000, 3, traffic)
    for number in range(3):
        outbox.offer(Gossip(bytes([number])))
    assert outbox.offer(Gossip(b"new"))
    assert outbox.offer(PRUNE)
    assert _drain(outbox) == [PRUNE, Gossip(b"\x02"), Gossip(b"new")]
    assert (traffic.gossip_dropped, traffic.announcements_dropped) == (2, 0)


def test_an_announcement_never_displaces_gossip_nor_gossip_control() -> None:
    traffic = Traffic()
    outbox = Outbox(10_000, 2, traffic)
    outbox.offer(PRUNE)
    outbox.offer(Gossip(b"a"))
    assert outbox.offer(IHAVE)
    assert _drain(outbox) == [PRUNE, Gossip(b"a")]
    outbox.offer(PRUNE)
    outbox.offer(PRUNE)
    assert outbox.offer(Gossip(b"a"))
    assert _drain(outbox) == [PRUNE, PRUNE]
    assert (traffic.gossip_dropped, traffic.announcements_dropped) == (1, 1)


def test_control_that_does_not_fit_is_refused() -> None:
    outbox = _outbox(messages_max=2)
    assert outbox.offer(PRUNE)
    assert outbox.offer(Ping(1))
    assert not outbox.offer(PRUNE)
    assert not outbox.offer(Ping(2))
    assert _drain(outbox) == [Ping(1), PRUNE]


def test_the_cap_on_bytes_holds_as_the_cap_on_messages_does() -> None:
    outbox = _outbox(bytes_max=20_000)
    for _ in range(50):
        assert outbox.offer(Gossip(bytes(1_000)))
        outbox.check_invariants()
    assert 15_000 < outbox.bytes_waiting <= 20_000
    while outbox.offer(Shuffle(1, [bytes(3_000)])):
        outbox.check_invariants()
    assert all(isinstance(message, Shuffle) for message in _drain(outbox))


def test_a_message_that_fits_no_frame_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        _outbox().offer(Gossip(bytes(FRAME_BYTES_MAX)))
