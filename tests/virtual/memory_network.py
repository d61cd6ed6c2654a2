"""TCP without a kernel: sockets for Trio's own socket factory, each pair of them a pair of Trio's memory streams.

Nothing in p2preg knows: `open_tcp_stream`, listeners and TLS run as always. Bytes arrive at once, unless a path is
silent: then they are lost with the news of a close, as when a machine has lost its power."""

from __future__ import annotations

import errno
import itertools
import socket
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass

import trio
from trio import socket as tsocket
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_one_way_pair

Address = tuple[str, int]

HOST: ContextVar[str] = ContextVar("host", default="198.51.100.1")  # on which machine the task at hand runs


@dataclass(frozen=True, slots=True)
class Pipe:
    """One direction of one connection, between the hosts of its ends."""

    sender: str
    receiver: str
    source: MemorySendStream

    def fall_silent(self) -> None:
        """What is sent from now on stays here."""
        self.source.send_all_hook = None
        self.source.close_hook = None


class MemoryNetwork(trio.abc.SocketFactory):
    """Give it to `trio.socket.set_custom_socket_factory`. Who does not bind is on `HOST`."""

    def __init__(self) -> None:
        self.listeners: dict[Address, MemorySocket] = {}
        self.open_sockets: dict[MemorySocket, None] = {}
        self.pipes: list[Pipe] = []
        self._ports = itertools.count(50_000)
        self._silent: dict[frozenset[str], None] = {}

    def socket(self, family: int = 2, type: int = 1, proto: int = 0) -> MemorySocket:
        return MemorySocket(self, family, type)

    def silence(self, one: str, other: str) -> None:
        """Nothing passes between these two hosts any more, and neither is told."""
        self._silent[frozenset((one, other))] = None
        for pipe in self.pipes:
            if {pipe.sender, pipe.receiver} == {one, other}:
                pipe.fall_silent()

    def is_silent(self, one: str, other: str) -> bool:
        return frozenset((one, other)) in self._silent

    def heal(self) -> None:
        """New connections come about again."""
        self._silent.clear()

    def connect(self, dialler: MemorySocket, address: Address) -> None:
        """Both ends of a connection. `dialler` is bound."""
        listener = self.listeners.get(address)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens on {address}")
        answerer = MemorySocket(self, dialler.family, dialler.type)
        answerer.name, answerer.peer = address, dialler.name
        dialler.peer = address
        for sender, receiver in ((dialler, answerer), (answerer, dialler)):
            assert sender.name is not None and receiver.name is not None
            sender.sending, receiver.receiving = memory_stream_one_way_pair()
            self.pipes.append(Pipe(sender.name[0], receiver.name[0], sender.sending))
        listener.offer(answerer)

    def free_name(self, host: str) -> Address:
        return host, next(self._ports)


class MemorySocket(tsocket.SocketType):
    """As much of a socket as Trio's streams and listeners ask for. `name` and `peer` are its two addresses."""

    def __init__(self, network: MemoryNetwork, family: int, kind: int) -> None:
        super().__init__()
        self.name: Address | None = None
        self.peer: Address | None = None
        self.sending: MemorySendStream | None = None
        self.receiving: MemoryReceiveStream | None = None
        self._network = network
        self._family = socket.AddressFamily(family)
        self._kind = socket.SocketKind(kind)
        self._backlog: deque[MemorySocket] = deque()
        self._offered = trio.Semaphore(0)
        self._is_listening = self._shut = False
        network.open_sockets[self] = None

    def __repr__(self) -> str:
        return f"MemorySocket[{self.name} {'listens' if self._is_listening else self.peer}]"

    @property
    def family(self) -> socket.AddressFamily:
        return self._family

    @property
    def type(self) -> socket.SocketKind:
        return self._kind

    @property
    def did_shutdown_SHUT_WR(self) -> bool:
        return self._shut

    def fileno(self) -> int:
        return 0 if self in self._network.open_sockets else -1

    def setsockopt(self, *_: object) -> None:
        """There are no options to set."""

    def getsockopt(self, level: int, option: int, buffersize: int | None = None) -> int:
        assert option == tsocket.SO_ACCEPTCONN
        return self._is_listening

    def getsockname(self) -> Address:
        assert self.name is not None
        return self.name

    def getpeername(self) -> Address:
        if self.peer is None or self.fileno() == -1:
            raise OSError(errno.ENOTCONN, "not connected")
        return self.peer

    # --- listening ----------------------------------------------------------------------------------------------

    async def bind(self, address: Address) -> None:
        await trio.lowlevel.checkpoint()
        host, port = address
        if address in self._network.listeners:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self.name = (host, port) if port else self._network.free_name(host)

    def listen(self, backlog: int = 0) -> None:
        self._is_listening = True
        self._network.listeners[self.getsockname()] = self

    def offer(self, connection: MemorySocket) -> None:
        """Somebody has connected."""
        self._backlog.append(connection)
        self._offered.release()

    async def accept(self) -> tuple[MemorySocket, Address]:
        await self._offered.acquire()
        connection = self._backlog.popleft()
        return connection, connection.getpeername()

    # --- connected ----------------------------------------------------------------------------------------------

    async def connect(self, address: Address) -> None:
        await trio.lowlevel.checkpoint()
        if self.name is None:
            self.name = self._network.free_name(HOST.get())
        if self._network.is_silent(self.name[0], address[0]):
            await trio.sleep_forever()
        self._network.connect(self, address)

    async def send(self, data: bytes, flags: int = 0) -> int:
        assert self.sending is not None
        await self.sending.send_all(data)
        return len(data)

    async def recv(self, size: int, flags: int = 0) -> bytes:
        assert self.receiving is not None
        return bytes(await self.receiving.receive_some(size))

    async def wait_writable(self) -> None:
        await trio.lowlevel.checkpoint()

    def shutdown(self, flag: int) -> None:
        assert self.sending is not None
        self.sending.close()
        self._shut = True

    def close(self) -> None:
        if self.fileno() == -1:
            return
        del self._network.open_sockets[self]
        if self._is_listening:
            del self._network.listeners[self.getsockname()]
            for connection in self._backlog:
                connection.close()
        for stream in (self.sending, self.receiving):
            if stream is not None:
                stream.close()
