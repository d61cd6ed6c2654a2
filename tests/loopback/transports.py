"""Transports on loopback, with an inbox each, as the tests of links drive them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
import trio.testing

from p2preg.base.address import Address
from p2preg.base.errors import RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.net import LinkConfig, Transport
from p2preg.net.handshake import LinkInfo
from p2preg.wire.messages import Hello, Message

CONFIG = LinkConfig(handshake_seconds=1.0, goodbye_seconds=1.0, close_seconds=0.2)
PATIENT = 20.0  # seconds until a test that waits in vain fails

KEYS = sorted((IdentityKey(name.ljust(32, b".")) for name in (b"alice", b"bob", b"carol")), key=lambda key: key.public)
SMALL, MIDDLE, GREAT = KEYS
MALLORY = IdentityKey(b"mallory".ljust(32, b"."))


def hello_of(key: IdentityKey, *, network: str = "test", epoch: int = 1) -> Hello:
    return Hello(1, 1, network, "test", epoch, 0, key.public, [1, 2, 3])


def check_hello(peer: bytes, hello: Hello) -> None:
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
async def registry(
    key: IdentityKey, config: LinkConfig = CONFIG, *, network: str = "test", epoch: int = 1
) -> AsyncIterator[Registry]:
    inbox = Inbox()
    transport = Transport(key, lambda: hello_of(key, network=network, epoch=epoch), check_hello, inbox, config)
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(transport.run, [Address("127.0.0.1", 0)])
        yield Registry(key, transport, inbox, address)
        transport.check_invariants()
        nursery.cancel_scope.cancel()


