"""Transports over real sockets on 127.0.0.1: honest ones find each other, hostile ones cost their own connection."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing
from OpenSSL import SSL

from p2preg.base.address import Address
from p2preg.base.errors import ConfigError, RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.net import LinkConfig, Transport
from p2preg.net.frames import FrameStream, Traffic
from p2preg.net.handshake import LinkInfo
from p2preg.net.tls import ALPN, TlsStream, make_context
from p2preg.wire.framing import frame
from p2preg.wire.messages import Gossip, Hello, Message, Prune, encode_message

CONFIG = LinkConfig(handshake_seconds=1.0, goodbye_seconds=1.0, close_seconds=0.2)
PATIENT = 20.0  # seconds until a test that waits in vain fails

KEYS = sorted((IdentityKey(name.ljust(32, b".")) for name in (b"alice", b"bob", b"carol")), key=lambda key: key.public)
SMALL, MIDDLE, GREAT = KEYS
MALLORY = IdentityKey(b"mallory".ljust(32, b"."))


def _hello(key: IdentityKey, *, network: str = "test", epoch: int = 1) -> Hello:
    return Hello(1, 1, network, "test", epoch, 0, key.public, [1, 2, 3])


def _check_hello(peer: bytes, hello: Hello) -> None:
    if hello.cell != peer:
        raise RemoteProtocolError("the registry cell in Hello is not the peer's own")


@dataclass
class Inbox:
    """A sink that keeps everything, wakes those who wait for something, and lets in what its gate lets in."""

    ups: list[LinkInfo] = field(default_factory=list)
    downs: list[bytes] = field(default_factory=list)
    messages: list[tuple[bytes, Message]] = field(default_factory=list)
    failures: list[tuple[str, bytes | None, str]] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)
    gate: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def peer_up(self, link: LinkInfo) -> None:
        assert link.peer not in self.linked()
        self.ups.append(link)
        self._change()

    def peer_down(self, peer: bytes) -> None:
        assert peer in self.linked()
        self.downs.append(peer)
        self._change()

    def received(self, peer: bytes, message: Message) -> None:
        assert peer in self.linked()
        self.messages.append((peer, message))
        self._change()

    def dial_failed(self, endpoint: str, expected_id: bytes | None, reason: str) -> None:
        self.failures.append((endpoint, expected_id, reason))
        self._change()

    async def wait_ready(self) -> None:
        await self.gate.wait()

    def linked(self) -> list[bytes]:
        peers = [link.peer for link in self.ups]
        for peer in self.downs:
            peers.remove(peer)
        return peers

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENT):
            while not condition():
                await self.changed.wait()
                self.changed = trio.Event()

    def _change(self) -> None:
        self.changed.set()


@dataclass
class Registry:
    """A transport that runs, its sink, and where it listens."""

    key: IdentityKey
    transport: Transport
    inbox: Inbox
    address: Address

    @property
    def id(self) -> bytes:
        return self.key.public

    @property
    def endpoint(self) -> str:
        return str(self.address)

    def dial(self, other: "Registry") -> None:
        self.transport.dial(other.endpoint, other.id)

    async def link(self, other: "Registry") -> None:
        self.dial(other)
        for one, peer in ((self, other), (other, self)):
            await one.inbox.wait_until(lambda one=one, peer=peer: peer.id in one.inbox.linked())  # type: ignore[misc]


@asynccontextmanager
async def _registry(
    key: IdentityKey, config: LinkConfig = CONFIG, *, network: str = "test", epoch: int = 1
) -> AsyncIterator[Registry]:
    inbox = Inbox()
    transport = Transport(key, lambda: _hello(key, network=network, epoch=epoch), _check_hello, inbox, config)
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(transport.run, [Address("127.0.0.1", 0)])
        yield Registry(key, transport, inbox, address)
        transport.check_invariants()
        nursery.cancel_scope.cancel()


# --- honest ------------------------------------------------------------------------------------------------------


async def test_two_registries_link_up_and_exchange_messages() -> None:
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob:
        await alice.link(bob)
        (up,) = alice.inbox.ups
        assert (up.peer, up.outbound, up.address) == (bob.id, True, bob.endpoint)
        assert (bob.inbox.ups[0].peer, bob.inbox.ups[0].outbound) == (alice.id, False)
        for number in range(100):
            alice.transport.send(bob.id, Gossip(bytes([number])))
            bob.transport.send(alice.id, Gossip(bytes([number])))
        await bob.inbox.wait_until(lambda: len(bob.inbox.messages) == 100)
        await alice.inbox.wait_until(lambda: len(alice.inbox.messages) == 100)
        assert bob.inbox.messages == [(alice.id, Gossip(bytes([number]))) for number in range(100)]


async def test_a_seed_is_dialled_without_knowing_who_it_is() -> None:
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob:
        alice.transport.dial(bob.endpoint, None)
        await alice.inbox.wait_until(lambda: alice.inbox.linked() == [bob.id])
        alice.transport.dial(bob.endpoint, None)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert alice.inbox.failures == [(bob.endpoint, None, "a link to this peer is up already")]
        assert bob.inbox.linked() == [alice.id]
        assert (len(alice.inbox.ups), len(bob.inbox.ups)) == (1, 1)


async def test_somebody_else_at_the_endpoint_is_not_linked() -> None:
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob:
        alice.transport.dial(bob.endpoint, GREAT.public)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        ((endpoint, expected, reason),) = alice.inbox.failures
        assert (endpoint, expected) == (bob.endpoint, GREAT.public)
        assert reason == f"{GREAT.public[:4].hex()} was dialled, {bob.id[:4].hex()} answered"
        assert (alice.inbox.ups, bob.inbox.ups) == ([], [])


async def test_a_registry_does_not_link_with_itself() -> None:
    async with _registry(SMALL) as alice:
        alice.transport.dial(alice.endpoint, None)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert alice.inbox.failures[0][2] == "both ends have the same identity"
        assert alice.inbox.ups == []


async def test_nobody_at_the_endpoint_is_a_failed_dial() -> None:
    async with _registry(MIDDLE) as bob:
        nobody = bob.endpoint
    async with _registry(SMALL) as alice:
        alice.transport.dial(nobody, bob.id)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert alice.inbox.failures[0][:2] == (nobody, bob.id)


async def test_another_network_is_refused_and_both_know_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with _registry(SMALL, network="mars") as alice, _registry(MIDDLE, network="earth") as bob:
        alice.dial(bob)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert "the network here is earth, not 'mars'" in alice.inbox.failures[0][2]
        assert (alice.inbox.ups, bob.inbox.ups) == ([], [])
    assert any("reason=the network here is earth, not 'mars'" in record.getMessage() for record in caplog.records)


async def test_an_address_in_use_is_the_operators_error() -> None:
    async with _registry(SMALL) as alice:
        transport = Transport(MIDDLE, lambda: _hello(MIDDLE), _check_hello, Inbox(), CONFIG)
        with pytest.raises(ConfigError, match="cannot listen on"):
            await transport.run([alice.address])


# --- one link per peer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(10))
async def test_when_both_dial_at_once_one_link_remains_on_both_sides(attempt: int) -> None:
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob:
        alice.dial(bob)
        bob.dial(alice)
        for one, peer in ((alice, bob), (bob, alice)):
            await one.inbox.wait_until(lambda one=one, peer=peer: one.inbox.linked() == [peer.id])  # type: ignore[misc]
        for number in range(50):
            alice.transport.send(bob.id, Gossip(bytes([number])))
            bob.transport.send(alice.id, Gossip(bytes([number])))
            await trio.lowlevel.checkpoint()
        everything = [bytes([number]) for number in range(50)]
        for one in (alice, bob):
            await one.inbox.wait_until(lambda one=one: len(one.inbox.messages) == 50)  # type: ignore[misc]
            assert sorted(message.batch for _, message in one.inbox.messages) == everything  # type: ignore[attr-defined]
            assert len(one.inbox.ups) == 1
            assert one.inbox.downs == []
        await _settled(alice, bob)
        (hers,), (his,) = alice.transport.statistics().links, bob.transport.statistics().links
        assert (hers.outbound, his.outbound) == (True, False), "of two links the smaller id's is kept"


async def test_a_peer_that_restarts_goes_down_and_comes_up() -> None:
    async with _registry(SMALL) as alice, _registry(MIDDLE, epoch=1) as bob:
        await alice.link(bob)
        alices_view = alice.inbox
        async with _registry(MIDDLE, epoch=2) as reborn:
            reborn.dial(alice)
            await reborn.inbox.wait_until(lambda: reborn.inbox.linked() == [alice.id])
            await alices_view.wait_until(lambda: len(alices_view.ups) == 2)
            assert alices_view.downs == [bob.id]
            assert alices_view.ups[1].hello.epoch == 2
            await bob.inbox.wait_until(lambda: bob.inbox.downs == [alice.id])
            bob.dial(alice)
            await bob.inbox.wait_until(lambda: bool(bob.inbox.failures))
            assert "a newer process" in bob.inbox.failures[0][2]


async def test_closing_a_link_is_told_once_on_both_sides_and_it_can_be_dialled_again() -> None:
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob:
        await alice.link(bob)
        alice.transport.send(bob.id, Prune([]))
        alice.transport.close(bob.id, "no longer needed")
        assert alice.inbox.downs == [bob.id]
        await bob.inbox.wait_until(lambda: bob.inbox.downs == [alice.id])
        assert bob.inbox.messages == [(alice.id, Prune([]))]
        await alice.link(bob)


async def test_goodbye_flushes_tells_everyone_and_lets_run_return() -> None:
    inbox = Inbox()
    transport = Transport(SMALL, lambda: _hello(SMALL), _check_hello, inbox, CONFIG)
    async with _registry(MIDDLE) as bob:
        with trio.fail_after(PATIENT):
            async with trio.open_nursery() as nursery:
                await nursery.start(transport.run, [Address("127.0.0.1", 0)])
                transport.dial(bob.endpoint, bob.id)
                await inbox.wait_until(lambda: inbox.linked() == [bob.id])
                for number in range(20):
                    transport.send(bob.id, Gossip(bytes([number]) * 10_000))
                await transport.goodbye("restart")
        await bob.inbox.wait_until(lambda: bob.inbox.downs == [SMALL.public])
        assert len(bob.inbox.messages) == 20
        assert inbox.linked() == []


async def test_a_cancelled_transport_leaves_no_task_and_no_socket() -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob, _registry(GREAT) as carol:
        await alice.link(bob)
        await carol.link(alice)
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert alice.inbox.linked() == bob.inbox.linked() == carol.inbox.linked() == []
    gc.collect()  # an open socket would warn, and warnings are errors


async def _settled(*registries: Registry) -> None:
    """Wait until each registry has one link running and none that drains."""
    with trio.fail_after(PATIENT):
        while any(len(registry.transport._carried) > 1 for registry in registries):
            await trio.lowlevel.checkpoint()


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
    await frames.send(frame(encode_message(_hello(MALLORY))))
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
    await tls.send_all(frame(encode_message(_hello(SMALL))))
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
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob:
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
    async with _registry(SMALL, config) as alice, _registry(MIDDLE) as bob:
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
    async with _registry(SMALL, LinkConfig(links_max=1)) as alice, _registry(MIDDLE) as bob, _registry(GREAT) as carol:
        await bob.link(alice)
        carol.dial(alice)
        await carol.inbox.wait_until(lambda: bool(carol.inbox.failures))
        assert "1 links are up" in carol.inbox.failures[0][2]
        assert carol.inbox.ups == []
        await alice.link(carol)  # dialling out is our own decision


async def test_a_peer_that_does_not_read_loses_gossip_and_then_its_link_and_others_lose_nothing() -> None:
    config = LinkConfig(outbox_bytes_max=200_000)
    async with _registry(SMALL, config) as alice, _registry(MIDDLE) as bob:
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
    async with _registry(SMALL) as alice, _registry(MIDDLE) as bob:
        await alice.link(bob)
        bob.inbox.gate = trio.Event()
        for number in range(200):
            alice.transport.send(bob.id, Gossip(bytes([number]) * 1000))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(bob.inbox.messages) <= 1  # the reader was past the gate when it shut
        bob.inbox.gate.set()
        await bob.inbox.wait_until(lambda: len(bob.inbox.messages) == 200)
        assert [message.batch[0] for _, message in bob.inbox.messages] == list(range(200))  # type: ignore[attr-defined]
