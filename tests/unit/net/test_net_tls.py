"""TLS over memory streams: who is who, what is refused, and two tasks on one stream."""

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from OpenSSL import SSL

from p2preg.base.errors import RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.net.certificate import make_certificate
from p2preg.net.tls import ALPN, TlsStream, make_context

ALICE = IdentityKey(b"alice".ljust(32, b"."))
BOB = IdentityKey(b"bob".ljust(32, b"."))
CLOSE_SECONDS = 0.5


def _pair() -> tuple[TlsStream, TlsStream]:
    ours, theirs = trio.testing.memory_stream_pair()
    return (
        TlsStream(ours, make_context(ALICE), dialled=True, close_seconds=CLOSE_SECONDS),
        TlsStream(theirs, make_context(BOB), dialled=False, close_seconds=CLOSE_SECONDS),
    )


async def _linked() -> tuple[TlsStream, TlsStream]:
    alice, bob = _pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.handshake)
        nursery.start_soon(bob.handshake)
    return alice, bob


async def _receive_exactly(stream: TlsStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.receive_some(size - len(data))
    return data


def _context(*, key: IdentityKey | None = ALICE, alpn: bytes = ALPN, version: int = SSL.TLS1_3_VERSION) -> SSL.Context:
    """What a stranger's client might be: no certificate, another protocol, an older TLS."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(version)
    context.set_alpn_protos([alpn])
    if key is not None:
        context.use_certificate(make_certificate(key))
        context.use_privatekey(Ed25519PrivateKey.from_private_bytes(key.seed))
    return context


async def test_each_side_learns_the_other_ones_identity() -> None:
    alice, bob = await _linked()
    assert alice.peer_id == BOB.public
    assert bob.peer_id == ALICE.public
    assert repr(alice) == f"TlsStream[{BOB.public[:4].hex()}]"


async def test_bytes_arrive_and_the_end_is_seen() -> None:
    alice, bob = await _linked()
    await alice.send_all(b"one")
    await bob.send_all(b"two")
    assert await bob.receive_some(100) == b"one"
    assert await alice.receive_some(100) == b"two"
    await alice.aclose()
    assert await bob.receive_some(100) == b""
    await bob.aclose()


async def test_a_cut_connection_is_an_end() -> None:
    alice, bob = await _linked()
    await trio.aclose_forcefully(alice._stream)
    assert await bob.receive_some(100) == b""


async def test_a_big_write_arrives_whole() -> None:
    alice, bob = await _linked()
    data = bytes(range(256)) * 2048
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.send_all, data)
        assert await _receive_exactly(bob, len(data)) == data


async def test_both_sides_read_and_write_at_once() -> None:
    alice, bob = await _linked()
    data = bytes(200_000)

    async def expect(stream: TlsStream) -> None:
        assert await _receive_exactly(stream, len(data)) == data

    async with trio.open_nursery() as nursery:
        for stream in (alice, bob):
            nursery.start_soon(stream.send_all, data)
            nursery.start_soon(expect, stream)


async def test_what_two_tasks_send_leaves_in_the_order_of_encryption() -> None:
    alice, bob = await _linked()
    send_stream = alice._stream.send_stream  # type: ignore[attr-defined]
    release, deliver = trio.Event(), send_stream.send_all_hook

    async def hold() -> None:
        await release.wait()
        await deliver()

    send_stream.send_all_hook = hold
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.send_all, b"first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(alice.send_all, b"second")
        await trio.testing.wait_all_tasks_blocked()
        release.set()
        assert await _receive_exactly(bob, 11) == b"firstsecond"


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (_context(key=None), "certificate"),
        (_context(alpn=b"http/1.1"), "ALPN"),
        (_context(version=SSL.TLS1_2_VERSION), "protocol"),
    ],
)
async def test_a_strange_client_is_refused(client: SSL.Context, reason: str) -> None:
    theirs, ours = trio.testing.memory_stream_pair()
    mallory = TlsStream(theirs, client, dialled=True, close_seconds=CLOSE_SECONDS)
    bob = TlsStream(ours, make_context(BOB), dialled=False, close_seconds=CLOSE_SECONDS)
    refusals: list[str] = []

    async def answer() -> None:
        try:
            await bob.handshake()
        except RemoteProtocolError as error:
            refusals.append(str(error))
        finally:
            await bob.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        try:
            await mallory.handshake()  # in TLS 1.3 a client may think that it succeeded
        except RemoteProtocolError:
            pass
    assert len(refusals) == 1
    assert reason in refusals[0]


@pytest.mark.parametrize("garbage", [b"\x00" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70_000])
async def test_garbage_is_refused(garbage: bytes) -> None:
    theirs, ours = trio.testing.memory_stream_pair()
    bob = TlsStream(ours, make_context(BOB), dialled=False, close_seconds=CLOSE_SECONDS)
    await theirs.send_all(garbage)
    with pytest.raises(RemoteProtocolError, match="TLS"):
        await bob.handshake()


async def test_an_end_within_the_handshake_is_named() -> None:
    alice, bob = _pair()
    await trio.aclose_forcefully(bob._stream)
    with pytest.raises((RemoteProtocolError, trio.BrokenResourceError)):
        await alice.handshake()


async def test_garbage_after_the_handshake_is_refused() -> None:
    alice, bob = await _linked()
    await alice._stream.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(RemoteProtocolError, match="TLS"):
        await bob.receive_some(100)


async def test_a_session_is_never_resumed() -> None:
    alice, bob = await _linked()
    await bob.send_all(b"x")
    await alice.receive_some(1)
    session = alice._tls.get_session()
    again, other = _pair()
    again._tls = SSL.Connection(alice._tls.get_context(), None)
    again._tls.set_session(session)
    again._tls.set_connect_state()
    other._tls = SSL.Connection(bob._tls.get_context(), None)
    other._tls.set_accept_state()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(again.handshake)
        nursery.start_soon(other.handshake)
    assert other._tls.get_peer_certificate() is not None
    assert other.peer_id == ALICE.public


async def test_closing_waits_no_longer_than_it_may(autojump_clock: trio.testing.MockClock) -> None:
    alice, _ = await _linked()
    alice._stream.send_stream.send_all_hook = trio.sleep_forever  # type: ignore[attr-defined]
    await alice.aclose()
    assert trio.current_time() == pytest.approx(CLOSE_SECONDS)


async def test_after_a_write_that_was_cut_short_nothing_more_is_sent(autojump_clock: trio.testing.MockClock) -> None:
    alice, _ = await _linked()
    send_stream = alice._stream.send_stream  # type: ignore[attr-defined]
    writes: list[float] = []

    async def stall() -> None:
        writes.append(trio.current_time())
        await trio.sleep_forever()

    send_stream.send_all_hook = stall
    with trio.move_on_after(1):
        await alice.send_all(b"half")
    await alice.aclose()
    assert len(writes) == 1
