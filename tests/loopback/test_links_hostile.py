"""What hostile or broken peers cost: their own connection."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from OpenSSL import SSL
from transports import (
    GREAT,
    MALLORY,
    MIDDLE,
    PATIENT,
    SMALL,
    hello_of,
    registry,
)

from p2preg.base.address import Address
from p2preg.base.errors import RemoteProtocolError
from p2preg.net import LinkConfig
from p2preg.net.frames import FrameStream, Traffic
from p2preg.net.tls import ALPN, TlsStream, make_context
from p2preg.wire.framing import frame
from p2preg.wire.messages import Gossip, Prune, encode_message

# --- hostile -----------------------------------------------------------------------------------------------------


def _anonymous() -> SSL.Context:
    """A TLS client without a certificate."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_alpn_protos([ALPN])
    return context


async def _linked_as_mallory(address: Address) -> FrameStream:
    """A link whose Hello was exchanged, in mallory's hands."""
    stream = await trio.open_tcp_stream(*address)
    tls = TlsStream(stream, make_context(MALLORY), dialled=True, close_seconds=0.1)
    await tls.handshake()
    frames = FrameStream(tls, PATIENT, Traffic())
    await frames.send(frame(encode_message(hello_of(MALLORY))))
    assert await frames.receive() is not None
    return frames


async def _raw(address: Address, data: bytes) -> None:
    """Send `data` and wait to be cut off."""
    stream = await trio.open_tcp_stream(*address)
    async with stream:
        await stream.send_all(data)
        await _read_to_the_end(stream)


async def _garbage(address: Address) -> None:
    await _raw(address, bytes(range(256)) * 16)


async def _http(address: Address) -> None:
    await _raw(address, b"GET / HTTP/1.1\r\nHost: registry\r\n\r\n")


async def _half_a_handshake(address: Address) -> None:
    client = SSL.Connection(make_context(MALLORY), None)
    client.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    await _raw(address, client.bio_read(65_536)[:-7])


async def _silence(address: Address) -> None:
    await _raw(address, b"")


async def _silence_after_tls(address: Address) -> None:
    stream = await trio.open_tcp_stream(*address)
    tls = TlsStream(stream, make_context(MALLORY), dialled=True, close_seconds=0.1)
    await tls.handshake()
    await _read_to_the_end(tls)
    await tls.aclose()


async def _no_certificate(address: Address) -> None:
    stream = await trio.open_tcp_stream(*address)
    tls = TlsStream(stream, _anonymous(), dialled=True, close_seconds=0.1)
    try:
        await tls.handshake()
        with pytest.raises((RemoteProtocolError, trio.BrokenResourceError)):
            await _read_to_the_end(tls, raising=True)
    finally:
        await tls.aclose()


async def _giant_frame_first(address: Address) -> None:
    stream = await trio.open_tcp_stream(*address)
    tls = TlsStream(stream, make_context(MALLORY), dialled=True, close_seconds=0.1)
    await tls.handshake()
    await tls.send_all((10_000_000).to_bytes(4) + bytes(1000))
    await _read_to_the_end(tls)
    await tls.aclose()


async def _giant_frame_later(address: Address) -> None:
    frames = await _linked_as_mallory(address)
    await frames.send((10_000_000).to_bytes(4) + bytes(1000))
    await _read_to_the_end(frames._tls)
    await frames.aclose()


async def _forged_cell(address: Address) -> None:
    stream = await trio.open_tcp_stream(*address)
    tls = TlsStream(stream, make_context(MALLORY), dialled=True, close_seconds=0.1)
    await tls.handshake()
    await tls.send_all(frame(encode_message(hello_of(SMALL))))
    await _read_to_the_end(tls)
    await tls.aclose()


async def _hang_up(address: Address) -> None:
    stream = await trio.open_tcp_stream(*address)
    await trio.aclose_forcefully(stream)


async def _read_to_the_end(stream: trio.abc.ReceiveStream | TlsStream, *, raising: bool = False) -> None:
    """Being reset counts as an end, unless the caller wants to see how it ended."""
    try:
        while await stream.receive_some(65_536):
            pass
    except (RemoteProtocolError, trio.BrokenResourceError):
        if raising:
            raise


ATTACKS: list[Callable[[Address], Awaitable[None]]] = [
    _garbage, _http, _half_a_handshake, _silence, _silence_after_tls, _no_certificate, _giant_frame_first,
    _giant_frame_later, _forged_cell, _hang_up,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
async def test_an_attack_costs_its_own_connection_only(attack: Callable[[Address], Awaitable[None]]) -> None:
    async with registry(SMALL) as alice, registry(MIDDLE) as bob:
        await alice.link(bob)
        with trio.fail_after(PATIENT):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(attack, alice.address)
        bob.transport.send(alice.id, Gossip(b"still here"))
        await alice.inbox.wait_until(lambda: (bob.id, Gossip(b"still here")) in alice.inbox.messages)
        assert alice.inbox.linked() == [bob.id]
        assert (len(bob.inbox.ups), bob.inbox.downs) == (1, [])


async def test_connections_beyond_the_cap_on_handshakes_are_closed_and_honest_links_stay() -> None:
    config = LinkConfig(half_open_max=4, handshake_seconds=PATIENT)
    async with registry(SMALL, config) as alice, registry(MIDDLE) as bob:
        await alice.link(bob)
        silent = [await trio.open_tcp_stream(*alice.address) for _ in range(4)]
        await _raw(alice.address, b"")  # returns when it was cut off
        statistics = alice.transport.statistics()
        assert (statistics.half_open, statistics.connections_refused) == (4, 1)
        for stream in silent:
            await stream.aclose()
        bob.transport.send(alice.id, Gossip(b"still here"))
        await alice.inbox.wait_until(lambda: (bob.id, Gossip(b"still here")) in alice.inbox.messages)


async def test_links_beyond_the_cap_are_refused_with_a_reason() -> None:
    async with registry(SMALL, LinkConfig(links_max=1)) as alice, registry(MIDDLE) as bob, registry(GREAT) as carol:
        await bob.link(alice)
        carol.dial(alice)
        await carol.inbox.wait_until(lambda: bool(carol.inbox.failures))
        assert "1 links are up" in carol.inbox.failures[0][2]
        assert carol.inbox.ups == []
        await alice.link(carol)  # dialling out is our own decision


async def test_a_peer_that_does_not_read_loses_gossip_and_then_its_link_and_others_lose_nothing() -> None:
    config = LinkConfig(outbox_bytes_max=200_000)
    async with registry(SMALL, config) as alice, registry(MIDDLE) as bob:
        await alice.link(bob)
        mallory = await _linked_as_mallory(alice.address)
        await alice.inbox.wait_until(lambda: MALLORY.public in alice.inbox.linked())
        gossip = Gossip(bytes(50_000))
        with trio.fail_after(PATIENT):
            while alice.transport.statistics().gossip_dropped < 10:
                alice.transport.send(MALLORY.public, gossip)
                await trio.lowlevel.checkpoint()
        assert all(link.bytes_waiting <= config.outbox_bytes_max for link in alice.transport.statistics().links)
        for number in range(100):
            alice.transport.send(bob.id, Gossip(bytes([number])))
        await bob.inbox.wait_until(lambda: len(bob.inbox.messages) == 100)
        for _ in range(100):
            alice.transport.send(MALLORY.public, Prune([bytes(32)] * 500))
        assert alice.inbox.downs == [MALLORY.public]
        assert bob.inbox.downs == []
        await mallory.aclose()


async def test_while_a_sink_is_not_ready_its_links_are_not_read_and_nothing_is_lost() -> None:
    async with registry(SMALL) as alice, registry(MIDDLE) as bob:
        await alice.link(bob)
        bob.inbox.gate = trio.Event()
        for number in range(200):
            alice.transport.send(bob.id, Gossip(bytes([number]) * 1000))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(bob.inbox.messages) <= 1  # the reader was past the gate when it shut
        bob.inbox.gate.set()
        await bob.inbox.wait_until(lambda: len(bob.inbox.messages) == 200)
        assert [message.batch[0] for _, message in bob.inbox.messages] == list(range(200))  # type: ignore[attr-defined]
