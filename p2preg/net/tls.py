"""Mutual TLS 1.3 (RFC 8446) over any Trio stream, by OpenSSL's memory BIO: each side presents a self-signed
certificate, and the peer's identity is the key in it. Python's own `ssl` can't ask for such a certificate.

It authenticates a key, not a name: whether that key is welcome is the caller's question. No resumption, so that the
server sees the client's certificate each time. As in TLS 1.3 itself, a client learns of a refusal on its first read.
"""

from __future__ import annotations

import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from OpenSSL import SSL, crypto

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.ids import short
from p2preg.crypto.keys import IdentityKey
from p2preg.net.certificate import make_certificate, public_key_of

ALPN = b"p2preg/1"
_READ_BYTES = 65_536  # ciphertext per read: four full records
_SPLIT_BYTES = 65_536  # plaintext encrypted before it is sent, so that a big write is never held twice whole


class TlsError(RemoteProtocolError):
    """The peer does not speak our TLS, or refused us."""


class WrongPeer(RemoteProtocolError):
    """Somebody else answered at the address that was dialled."""


def make_context(key: IdentityKey) -> SSL.Context:
    """What both directions share; one per process. `key` is the identity that every link presents."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_leaf)
    context.set_verify_depth(0)  # a chain would be somebody else's keys to check at our cost
    context.set_alpn_protos([ALPN])
    context.set_alpn_select_callback(_select_protocol)
    context.use_certificate(make_certificate(key))
    context.use_privatekey(Ed25519PrivateKey.from_private_bytes(key.seed))
    return context


def _accept_leaf(_: SSL.Connection, __: crypto.X509, error: int, depth: int, ok: int) -> bool:
    """Any certificate by itself will do: who it is, is read from its key once the handshake proved its possession."""
    return depth == 0


def _select_protocol(_: SSL.Connection, offered: list[bytes]) -> bytes | SSL._NoOverlappingProtocols:
    return ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class TlsStream:
    """One reader and one writer task may use it at once. A call that is cancelled while it sends leaves the stream
    good for nothing but `aclose`."""

    def __init__(self, stream: trio.abc.Stream, context: SSL.Context, *, dialled: bool, close_seconds: float) -> None:
        """`dialled`: we are the client. The stream is owned from here on."""
        self._stream = stream
        self._close_seconds = close_seconds
        self._tls = SSL.Connection(context, None)
        if dialled:
            self._tls.set_connect_state()
        else:
            self._tls.set_accept_state()
        self._outgoing = bytearray()  # ciphertext in the order in which OpenSSL made it
        self._send_lock = trio.Lock()
        self._broken = False
        self._peer_id: bytes | None = None

    def __repr__(self) -> str:
        return f"TlsStream[{short(self._peer_id) if self._peer_id else 'handshaking'}]"

    @property
    def peer_id(self) -> bytes:
        """The other side's identity; the handshake must be done."""
        assert self._peer_id is not None, "the handshake is not done"
        return self._peer_id

    async def handshake(self) -> None:
        """Prove both identities; `RemoteProtocolError` when that fails. The caller sets the deadline."""
        while not await self._handshake_step():
            data = await self._stream.receive_some(_READ_BYTES)
            if not data:
                raise TlsError("the connection ended in the TLS handshake")
            self._tls.bio_write(data)
        protocol = self._tls.get_alpn_proto_negotiated()
        if protocol != ALPN:
            raise TlsError(f"ALPN {ALPN.decode()} was expected, got {protocol!r}")
        self._peer_id = public_key_of(self._peer_certificate())

    async def receive_some(self, bytes_max: int) -> bytes:
        """Up to `bytes_max` bytes; empty at the end. An end without close_notify is an end too: frames carry their
        length, so what was cut short shows."""
        while True:
            try:
                return self._tls.recv(bytes_max)
            except SSL.ZeroReturnError:
                return b""
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                raise TlsError(_text_of(error)) from None
            await self._flush()  # the answer to a key update, say
            data = await self._stream.receive_some(_READ_BYTES)
            if not data:
                return b""
            self._tls.bio_write(data)

    async def send_all(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _SPLIT_BYTES):
            self._encrypt(view[start : start + _SPLIT_BYTES])
            await self._flush()

    async def aclose(self) -> None:
        """Say close_notify if that takes no longer than `close_seconds`, even when cancelled; then close."""
        try:
            with trio.CancelScope(deadline=trio.current_time() + self._close_seconds, shield=True):
                await self._send_close_notify()
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _handshake_step(self) -> bool:
        """Whether the handshake is done. An alert that it makes is sent before it raises."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            await self._flush()
            return False
        except SSL.Error as error:
            await self._flush()
            raise TlsError(_text_of(error)) from None
        await self._flush()
        return True

    def _peer_certificate(self) -> x509.Certificate:
        try:
            certificate = self._tls.get_peer_certificate(as_cryptography=True)
        except ValueError as error:
            raise TlsError(f"the peer's certificate can't be read: {error}") from None
        if certificate is None:
            raise TlsError("the peer has presented no certificate")
        return certificate

    def _encrypt(self, view: memoryview) -> None:
        while view:
            try:
                view = view[self._tls.send(view) :]  # one record at most
            except SSL.Error as error:
                raise TlsError(_text_of(error)) from None

    async def _flush(self) -> None:
        """Send what OpenSSL has made. The bytes leave in its order whichever task calls: taken at once, sent under
        the lock, and the lock's holder takes those that came meanwhile."""
        self._collect()
        if not self._outgoing:
            return
        async with self._send_lock:
            while self._outgoing:
                data = bytes(self._outgoing)
                self._outgoing.clear()
                self._broken = True  # until it is known that all of it left
                await self._stream.send_all(data)
                self._broken = False
                self._collect()

    def _collect(self) -> None:
        while True:
            try:
                self._outgoing += self._tls.bio_read(_READ_BYTES)
            except SSL.WantReadError:
                return

    async def _send_close_notify(self) -> None:
        if self._broken or self._peer_id is None:
            return
        try:
            self._tls.shutdown()
            await self._flush()
        except (SSL.Error, trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the other side has gone already


def _text_of(error: SSL.Error) -> str:
    """OpenSSL's own words for the first entry of its error queue."""
    if isinstance(error, SSL.SysCallError):
        return "TLS: the connection ended unexpectedly"
    queue = error.args[0] if error.args else []
    reason = queue[0][2] if queue else type(error).__name__
    return f"TLS: {reason}"
