"""The handshake: who speaks first, what is agreed, and how a refusal reads on both sides."""

from dataclasses import dataclass, field, replace

import pytest
import trio
import trio.testing

from p2preg.base.errors import P2pregError, RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.net.config import LinkConfig
from p2preg.net.frames import FrameStream, Traffic
from p2preg.net.handshake import Handshake, LinkInfo, LinkRefused, RefusedByPeer, agree
from p2preg.net.tls import TlsStream, make_context
from p2preg.wire.framing import frame
from p2preg.wire.messages import Hello, Ping, encode_message

ALICE = IdentityKey(b"alice".ljust(32, b"."))
BOB = IdentityKey(b"bob".ljust(32, b"."))
CONFIG = LinkConfig()


def _hello(key: IdentityKey, **changes: object) -> Hello:
    fields = {
        "version_min": 1, "version_max": 1, "network": "test", "software": "test", "epoch": 1, "time_ms": 0,
        "cell": key.public, "kinds": [1, 2, 3],
    }  # fmt: skip
    return Hello(**(fields | changes))  # type: ignore[arg-type]


def _check_hello(peer: bytes, hello: Hello) -> None:
    if hello.cell != peer:
        raise RemoteProtocolError("the registry cell in Hello is not the peer's own")


def _handshake(key: IdentityKey, **changes: object) -> Handshake:
    return Handshake(make_context(key), lambda: _hello(key, **changes), _check_hello, CONFIG, Traffic())


@dataclass
class Gate:
    """Lets everybody in, unless told otherwise."""

    peer_refused: str = ""
    link_refused: str = ""
    asked: list[str] = field(default_factory=list)

    def check_peer(self, peer: bytes) -> None:
        self.asked.append("peer")
        if self.peer_refused:
            raise LinkRefused(self.peer_refused)

    def check_link(self, info: LinkInfo) -> None:
        self.asked.append("link")
        if self.link_refused:
            raise LinkRefused(self.link_refused)


async def _meet(
    alice: Handshake, bob: Handshake, alices_gate: Gate | None = None, bobs_gate: Gate | None = None
) -> list[LinkInfo | Exception]:
    """Alice dials Bob: what came of it for her, and for him."""
    ours, theirs = trio.testing.memory_stream_pair()
    outcomes: list[LinkInfo | Exception] = [P2pregError("no outcome"), P2pregError("no outcome")]

    async def dial() -> None:
        try:
            outcomes[0], _ = await alice.dial(ours, "bob:1", alices_gate or Gate())
        except P2pregError as error:
            outcomes[0] = error

    async def answer() -> None:
        try:
            outcomes[1], _ = await bob.answer(theirs, "alice:1", bobs_gate or Gate())
        except P2pregError as error:
            outcomes[1] = error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        nursery.start_soon(answer)
    return outcomes


async def test_both_learn_the_peer_its_hello_and_what_they_have_in_common() -> None:
    outcomes = await _meet(
        _handshake(ALICE, version_max=4, kinds=[3, 1]), _handshake(BOB, version_max=2, kinds=[1, 9, 3])
    )
    bobs_hello, alices_hello = _hello(BOB, version_max=2, kinds=[1, 9, 3]), _hello(ALICE, version_max=4, kinds=[3, 1])
    infos = [outcome for outcome in outcomes if isinstance(outcome, LinkInfo)]
    assert all(info.round_trip is not None and 0 < info.round_trip < 5 for info in infos)
    assert [replace(info, round_trip=None) for info in infos] == [
        LinkInfo(BOB.public, True, "bob:1", bobs_hello, 2, (1, 3)),
        LinkInfo(ALICE.public, False, "alice:1", alices_hello, 2, (1, 3)),
    ]
    assert [str(info) for info in outcomes] == [
        f"{BOB.public[:4].hex()} -> bob:1",
        f"{ALICE.public[:4].hex()} <- alice:1",
    ]


async def test_another_network_is_refused_and_the_dialler_reads_why() -> None:
    alice, bob = await _meet(_handshake(ALICE, network="mars"), _handshake(BOB, network="earth"))
    assert isinstance(alice, RefusedByPeer)
    assert "the network here is earth, not 'mars'" in str(alice)
    assert str(bob) == "the network here is earth, not 'mars'"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version_min": 2, "version_max": 3}, "versions 1 to 1 are spoken here, not 2 to 3"),
        ({"kinds": [7]}, "cells of the kinds [1, 2, 3] are kept here, not of [7]"),
        ({"cell": b"mallory"}, "the registry cell in Hello is not the peer's own"),
    ],
)
async def test_a_hello_that_does_not_fit_is_refused(changes: dict[str, object], reason: str) -> None:
    alice, bob = await _meet(_handshake(ALICE, **changes), _handshake(BOB))
    assert str(bob) == reason
    assert isinstance(alice, RefusedByPeer)
    assert reason[:60] in str(alice)


async def test_the_dialler_checks_as_well() -> None:
    alice, bob = await _meet(_handshake(ALICE), _handshake(BOB, cell=b"mallory"))
    assert str(alice) == "the registry cell in Hello is not the peer's own"
    assert isinstance(bob, LinkInfo)  # and learns of the refusal from the Goodbye that follows


async def test_a_peer_that_is_not_wanted_never_sees_our_hello() -> None:
    gate = Gate(peer_refused="not you")
    alice, bob = await _meet(_handshake(ALICE), _handshake(BOB), bobs_gate=gate)
    assert (str(alice), str(bob)) == ("the peer refused: 'not you'", "not you")
    assert gate.asked == ["peer"]


async def test_a_link_that_is_not_wanted_is_refused_before_the_dialler_counts_it_as_up() -> None:
    alice, bob = await _meet(_handshake(ALICE), _handshake(BOB), bobs_gate=Gate(link_refused="full"))
    assert (str(alice), str(bob)) == ("the peer refused: 'full'", "full")


async def test_silence_ends_at_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    ours, _theirs = trio.testing.memory_stream_pair()
    with pytest.raises(RemoteProtocolError, match=r"longer than 5.0 s"):
        await _handshake(BOB).answer(ours, "mallory:1", Gate())
    assert trio.current_time() == pytest.approx(CONFIG.handshake_seconds)


async def test_silence_after_tls_ends_at_the_same_deadline(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    mallory = TlsStream(theirs, make_context(ALICE), dialled=True, close_seconds=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mallory.handshake)
        with pytest.raises(RemoteProtocolError, match=r"longer than 5.0 s"):
            await _handshake(BOB).answer(ours, "mallory:1", Gate())


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (frame(encode_message(Ping(1))), "Hello was expected first, got Ping"),
        (frame(b"\x81\x18\xff"), "Hello was expected first, got NoneType"),
        (frame(b"\xff"), "canonical CBOR"),
        ((10_000_000).to_bytes(4), "10000000 were announced"),
    ],
)
async def test_anything_but_hello_is_refused(first: bytes, reason: str) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    tls = TlsStream(theirs, make_context(ALICE), dialled=True, close_seconds=1)

    async def misbehave() -> None:
        await tls.handshake()
        await FrameStream(tls, 1, Traffic()).send(first)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(misbehave)
        with pytest.raises(RemoteProtocolError, match=reason):
            await _handshake(BOB).answer(ours, "mallory:1", Gate())


def test_versions_are_the_greatest_in_common() -> None:
    own, theirs = _hello(ALICE, version_min=1, version_max=5), _hello(BOB, version_min=3, version_max=9)
    assert agree(own, theirs) == agree(theirs, own) == (5, (1, 2, 3))
