"""A websocket client as thin as can be: a blocking socket, frames by hand, JSON by msgspec.

What it costs is taken from the same two cores as the registry, so it masks with zeros, which RFC 6455 allows."""

from __future__ import annotations

import secrets
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from scripts.benchmarks.media_nodes import MediaKey

PATIENCE = 60.0  # seconds without anything from the registry; then the benchmark fails
READ_BYTES = 262_144
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Client:
    """One connection. `notifications`: the events that came, each with when."""

    def __init__(self, url: str) -> None:
        self.authority = url.removeprefix("ws://").rstrip("/")
        host, _, port = self.authority.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.hello: dict[str, Any] = {}
        self.notifications: deque[tuple[float, dict[str, Any]]] = deque()
        self._buffer = bytearray()
        self._next = 1
        self._upgrade(host)

    def _upgrade(self, host: str) -> None:
        key = secrets.token_urlsafe(16)[:22] + "=="
        self.socket.sendall(
            f"GET / HTTP/1.1\r\nHost: {self.authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise ConnectionError(head.decode("latin-1"))
        self._buffer = bytearray(rest)

    def close(self) -> None:
        """Vanish, as a killed process does."""
        self.socket.close()

    # --- frames -----------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the registry closed the connection")
        self._buffer += data

    def take_frames(self) -> list[bytes]:
        """The whole text frames in the buffer; pings are answered."""
        texts = []
        while (frame := self._next_frame()) is not None:
            kind, payload = frame
            if kind == TEXT:
                texts.append(payload)
            elif kind == PING:
                self.socket.sendall(_frame(PONG, payload))
            elif kind == CLOSE:
                raise ConnectionError(f"the registry closed the websocket: {payload!r}")
        return texts

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < start + size:
            return None
        kind, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return kind, payload

    # --- calls ------------------------------------------------------------------------------------------------

    def send(self, payloads: Iterable[bytes]) -> None:
        """Texts as they are, in one write."""
        self.socket.sendall(b"".join(_frame(TEXT, payload) for payload in payloads))

    def receive(self) -> list[Any]:
        """Wait for something and read it; notifications are put aside."""
        self._fill()
        answers = []
        for text in self.take_frames():
            message = _decode(text)
            if isinstance(message, dict) and "method" in message:
                self.notifications.append((time.perf_counter(), message["params"]))
            else:
                answers.append(message)
        return answers

    def call(self, method: str, **params: Any) -> Any:
        """One call and its result; `RuntimeError` with what was refused."""
        self._next += 1
        self.send([request(self._next, method, params)])
        while True:
            for answer in self.receive():
                return result_of(answer)

    def pipeline(self, payloads: Sequence[bytes], in_flight: int) -> list[float]:
        """Send all, never more than `in_flight` unanswered; seconds from send to answer for each answer."""
        sent: deque[float] = deque()
        waits: list[float] = []
        position = 0
        while len(waits) < len(payloads):
            room = min(in_flight - len(sent), len(payloads) - position)
            if room:
                self.send(payloads[position : position + room])
                sent.extend([time.perf_counter()] * room)
                position += room
            for answer in self.receive():
                result_of(answer)
                waits.append(time.perf_counter() - sent.popleft())
        return waits

    def greet(self) -> Client:
        self.hello = self.call("session.hello")
        return self

    def authenticate(self, keys: Sequence[MediaKey]) -> None:
        """Log all of them in as media nodes."""
        payloads = [self.login_call(number, key) for number, key in enumerate(keys)]
        self.pipeline(payloads, 256)

    def login_call(self, number: int, key: MediaKey) -> bytes:
        seq, signature = key.prove(self.hello, self.authority)
        login = {"role": "node", "public_key": key.id, "authority": self.authority, "seq": seq, "signature": signature}
        return request(number, "session.authenticate", login)

    def renew_call(self, number: int, key: MediaKey) -> bytes:
        seq, signature = key.prove(self.hello, self.authority)
        return request(number, "node.renew", {"node_id": key.id, "seq": seq, "signature": signature})


def request(number: int, method: str, params: dict[str, Any]) -> bytes:
    """One JSON-RPC request."""
    return _encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def register_call(number: int, key: MediaKey, attributes: dict[str, Any]) -> bytes:
    return request(number, "node.register", {"node_id": key.id, "attributes": attributes})


def batches(payloads: Sequence[bytes], size: int) -> list[bytes]:
    """The same requests as JSON-RPC batches."""
    return [b"[" + b",".join(payloads[at : at + size]) + b"]" for at in range(0, len(payloads), size)]


def result_of(answer: Any) -> Any:
    """The result of an answer, or of each in a batch; `RuntimeError` for an error."""
    if isinstance(answer, list):
        return [result_of(each) for each in answer]
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]


def wait_any(clients: Sequence[Client], seconds: float) -> list[Client]:
    """The clients that have something to read, after at most so many seconds."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        return [key.data for key, _ in selector.select(seconds)]


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x80 | kind,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65_536:
        head += b"\xfe" + size.to_bytes(2)
    else:
        head += b"\xff" + size.to_bytes(8)
    return head + b"\0\0\0\0" + payload
