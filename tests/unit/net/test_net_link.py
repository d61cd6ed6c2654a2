"""A link over memory streams on a virtual clock: delivery, back-pressure, keep-alive, and every way to end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from p2preg.crypto.keys import IdentityKey
from p2preg.net.config import LinkConfig
from p2preg.net.frames import FrameStream, Traffic
from p2preg.net.handshake import LinkInfo
from p2preg.net.link import Failure, Link, contained
from p2preg.net.tls import TlsStream, make_context
from p2preg.wire.framing import FrameReader, frame
from p2preg.wire.messages import (
    Goodbye,
    Gossip,
    Hello,
    IHave,
    Message,
    Ping,
    Pong,
    Prune,
    decode_message,
    encode_message,
)

ALICE = IdentityKey(b"alice".ljust(32, b"."))
BOB = IdentityKey(b"bob".ljust(32, b"."))
CONFIG = LinkConfig()
HELLO = Hello(1, 1, "test", "test", 1, 0, b"cell", [1])
Clock = trio.testing.MockClock


@dataclass
class Owner:
    """Keeps what the link tells; its gate is open unless a test shuts it."""

    messages: list[Message] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)
    gate: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def received(self, link: Link, message: Message) -> None:
        self.messages.append(message)
        self._change()

    def confirmed(self, link: Link) -> None:
        self.told.append("confirmed")
        self._change()

    def ended(self, link: Link) -> None:
        self.told.append("ended")
        self._change()

    async def wait_ready(self) -> None:
        await self.gate.wait()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.changed.wait()
            self.changed = trio.Event()

    def _change(self) -> None:
        self.changed.set()


@dataclass
class Wire:
    """Alice's link, and Bob's end of it by hand."""

    link: Link
    owner: Owner
    traffic: Traffic
    bob: FrameStream
    bob_tls: TlsStream
    ended: trio.Event

    async def say(self, *messages: Message) -> None:
        await self.bob.send(b"".join(frame(encode_message(message)) for message in messages))

    async def hear(self) -> Message | None:
        body = await self.bob.receive()
        return decode_message(body) if body is not None else None

    async def hear_first(self, kind: type[Message]) -> Message:
        while (message := await self.hear()) is not None:
            if isinstance(message, kind):
                return message
        raise AssertionError(f"no {kind.__name__} before the end")


@asynccontextmanager
async def _wire(config: LinkConfig = CONFIG) -> AsyncIterator[Wire]:
    ours, theirs = trio.testing.memory_stream_pair()
    tls = TlsStream(ours, make_context(ALICE), dialled=True, close_seconds=config.close_seconds)
    bob_tls = TlsStream(theirs, make_context(BOB), dialled=False, close_seconds=config.close_seconds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tls.handshake)
        nursery.start_soon(bob_tls.handshake)
    traffic, owner, ended = Traffic(), Owner(), trio.Event()
    info = LinkInfo(BOB.public, True, "127.0.0.1:4010", HELLO, 1, (1,))
    link = Link(info, FrameStream(tls, config.frame_seconds, traffic), config, owner, traffic)

    async def run() -> None:
        await link.run()
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield Wire(link, owner, traffic, FrameStream(bob_tls, 10, Traffic()), bob_tls, ended)
        nursery.cancel_scope.cancel()


def test_it_shows_the_peer_the_direction_and_the_address() -> None:
    info = LinkInfo(b"\xab\x12\xcd\x34" + bytes(28), False, "127.0.0.1:4010", HELLO, 1, (1,))
    link = Link(info, None, CONFIG, Owner(), Traffic())  # type: ignore[arg-type]
    assert repr(link) == "Link[ab12cd34 <- 127.0.0.1:4010]"


async def _pass_time(seconds: float) -> None:
    """On the virtual clock, which jumps."""
    with trio.move_on_after(seconds):
        await trio.sleep_forever()


async def test_messages_go_both_ways(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        wire.link.send(Prune([]))
        assert await wire.hear_first(Prune) == Prune([])
        await wire.say(Gossip(b"a"), Prune([]), Gossip(b"b"))
        await wire.owner.wait_until(lambda: len(wire.owner.messages) == 3)
        assert wire.owner.messages == [Gossip(b"a"), Prune([]), Gossip(b"b")]


async def test_small_messages_leave_in_one_write(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        await wire.hear_first(Ping)
        for number in range(100):
            wire.link.send(Gossip(bytes([number])))
        one_record = await wire.bob_tls.receive_some(65_536)
        assert len(FrameReader().feed(one_record)) == 100


async def test_a_message_of_the_future_is_ignored_and_counted(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        await wire.bob.send(frame(b"\x82\x18\xfa\x01"))
        await wire.say(Gossip(b"a"))
        await wire.owner.wait_until(lambda: bool(wire.owner.messages))
        assert wire.owner.messages == [Gossip(b"a")]
        assert wire.traffic.unknown_messages == 1


async def test_a_ping_is_answered_with_its_nonce(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        await wire.say(Ping(77))
        assert await wire.hear_first(Pong) == Pong(77)
        assert wire.owner.messages == []


async def test_the_first_message_confirms_the_link_once(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        assert not wire.link.confirmed
        await wire.say(Ping(1), Ping(2))
        await wire.hear_first(Pong)
        await wire.hear_first(Pong)
        assert wire.link.confirmed
        assert wire.owner.told == ["confirmed"]


async def test_the_round_trip_is_measured_at_once_and_smoothed(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        for delay, expected in ((0.8, 0.8), (1.6, 0.9)):
            ping = await wire.hear_first(Ping)
            await _pass_time(delay)
            await wire.say(Pong(ping.nonce))  # type: ignore[attr-defined]
            await trio.testing.wait_all_tasks_blocked()
            assert wire.link.round_trip_time_s == pytest.approx(expected)


async def test_a_pong_that_nobody_asked_for_counts_for_nothing(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        await wire.say(Pong(5))
        await wire.ended.wait()
        assert wire.link.reason == "no Pong within 10.0 s"
        assert wire.link.round_trip_time_s is None


async def test_a_peer_that_answers_no_ping_is_dead_however_much_it_says(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        while not wire.ended.is_set():
            await wire.say(Gossip(b"a"))
            await _pass_time(1)
        assert wire.link.reason == "no Pong within 10.0 s"
        assert trio.current_time() <= CONFIG.pong_seconds + 1


async def test_while_the_gate_is_shut_nothing_is_read_and_the_peer_is_not_blamed(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        ping = await wire.hear_first(Ping)
        wire.owner.gate = trio.Event()
        await wire.say(Gossip(b"let in, for the reader was past the gate"))
        await trio.testing.wait_all_tasks_blocked()
        await wire.say(Gossip(b"held"), Pong(ping.nonce))  # type: ignore[attr-defined]
        await _pass_time(60)
        assert len(wire.owner.messages) == 1
        assert wire.link.reason is None
        wire.owner.gate.set()
        await wire.owner.wait_until(lambda: len(wire.owner.messages) == 2)
        await trio.testing.wait_all_tasks_blocked()
        assert wire.link.round_trip_time_s == pytest.approx(0, abs=0.001)


async def test_a_trickled_frame_ends_the_link(autojump_clock: Clock) -> None:
    async with _wire(LinkConfig(pong_seconds=1000)) as wire:
        for byte in frame(encode_message(Gossip(bytes(1000)))):
            if wire.ended.is_set():
                break
            await wire.bob.send(bytes([byte]))
            await _pass_time(0.5)
        assert wire.link.reason == "a frame must be complete within 10.0 s of its first byte"
        assert trio.current_time() <= CONFIG.frame_seconds + 0.5


async def test_each_frame_has_its_own_time(autojump_clock: Clock) -> None:
    async with _wire(LinkConfig(frame_seconds=3, pong_seconds=1000)) as wire:
        whole = frame(encode_message(Gossip(bytes(100))))
        for piece in (whole[:50], whole[50:] + whole[:1]):
            await wire.bob.send(piece)
            await _pass_time(2.9)
        assert wire.link.reason is None
        await wire.ended.wait()
        assert wire.link.reason == "a frame must be complete within 3 s of its first byte"
        assert trio.current_time() == pytest.approx(2.9 + 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(encode_message(HELLO)), "Hello comes once"),
        (frame(b"\xff\xff"), "canonical CBOR"),
        (frame(b"\x01"), "an array that begins with its number"),
        (frame(b"\x81\x03"), "message 3"),
        ((10_000_000).to_bytes(4), "10000000 were announced"),
        (bytes(4), "0 were announced"),
    ],
)
async def test_a_breach_of_the_protocol_ends_the_link(autojump_clock: Clock, data: bytes, reason: str) -> None:
    async with _wire() as wire:
        await wire.bob.send(data)
        await wire.ended.wait()
        assert reason in (wire.link.reason or "")
        assert wire.owner.told[-1:] == ["ended"]


async def test_closing_flushes_the_outbox_and_says_why(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        wire.link.send(Gossip(b"last words"))
        wire.link.close("no longer needed")
        assert wire.owner.told == ["ended"]
        assert await wire.hear_first(Gossip) == Gossip(b"last words")
        assert await wire.hear_first(Goodbye) == Goodbye("no longer needed")
        await wire.say(Gossip(b"not handed on"), Goodbye("bye"))
        await wire.ended.wait()
        assert (wire.owner.messages, wire.owner.told) == ([], ["ended"])
        assert wire.link.reason == "no longer needed"
        assert await wire.hear() is None


async def test_closing_waits_no_longer_than_its_grace(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        wire.link.close("no longer needed")
        await wire.ended.wait()
        assert trio.current_time() == pytest.approx(CONFIG.goodbye_seconds)


async def test_a_retired_link_hands_on_what_is_under_way(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        wire.link.retire("the other link is kept")
        assert await wire.hear_first(Goodbye) == Goodbye("the other link is kept")
        await wire.say(Gossip(b"under way"), Goodbye("bye"))
        await wire.ended.wait()
        assert wire.owner.messages == [Gossip(b"under way")]
        assert wire.owner.told == ["confirmed", "ended"]


async def test_a_retired_link_ends_at_its_deadline(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        wire.link.retire("the other link is kept")
        await wire.ended.wait()
        assert trio.current_time() == pytest.approx(CONFIG.drain_seconds)
        assert wire.owner.told == ["ended"]


async def test_the_peers_goodbye_is_answered_and_ends_it(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        wire.link.send(Gossip(b"under way"))
        await wire.say(Goodbye("restart"))
        assert await wire.hear_first(Gossip) == Gossip(b"under way")
        assert isinstance(await wire.hear_first(Goodbye), Goodbye)
        await wire.ended.wait()
        assert wire.link.reason == "the peer said goodbye: 'restart'"
        assert trio.current_time() < 0.1


async def test_the_peers_end_without_goodbye_ends_it(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        await trio.aclose_forcefully(wire.bob_tls._stream)
        await wire.ended.wait()
        assert wire.owner.told == ["ended"]


async def test_a_peer_that_does_not_read_costs_one_outbox_and_then_the_link(autojump_clock: Clock) -> None:
    config = LinkConfig(outbox_bytes_max=50_000)
    async with _wire(config) as wire:
        stream = wire.link._frames._tls._stream
        stream.send_stream.send_all_hook = trio.sleep_forever  # type: ignore[attr-defined]
        wire.link.send(Gossip(b"blocks the writer"))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(100):
            wire.link.send(Gossip(bytes(10_000)))
            wire.link.send(IHave([]))
            assert wire.link.bytes_waiting <= config.outbox_bytes_max
        assert wire.traffic.gossip_dropped > 90
        assert wire.link.reason is None
        for _ in range(2_000):
            wire.link.send(Prune([bytes(32)]))
        assert wire.link.reason == "the peer does not read: its outbox is full"
        await wire.ended.wait()
        assert wire.owner.told == ["ended"]


async def test_cancellation_ends_it_and_is_told(autojump_clock: Clock) -> None:
    async with _wire() as wire:
        pass
    assert wire.link.reason == "this side has shut down"
    assert wire.owner.told == ["ended"]


async def test_the_boundary_turns_the_remotes_mistakes_into_reasons(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise OSError(111, "Connection refused")

    assert await contained("link", fail) == Failure("[Errno 111] Connection refused")
    assert caplog.records == []


async def test_the_boundary_logs_our_own_mistakes_with_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    assert await contained("Link[x]", fail) == Failure("internal error")
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "Link[x]: internal error")
    assert record.exc_info is not None


async def test_the_boundary_lets_cancellation_pass() -> None:
    work: Callable[[], Awaitable[None]] = trio.sleep_forever
    with trio.CancelScope() as scope:
        scope.cancel()
        await contained("link", work)
    assert scope.cancelled_caught
