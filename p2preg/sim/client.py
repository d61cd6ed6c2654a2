"""An RPC client without a websocket: calls go to the core of one registry, and answers come back as JSON would.

A subscriber among its tools holds the registry to the contract of docs/rpc.md: no gap, no double, the digest right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from p2preg.base.errors import Refused
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.presence import LOGIN, PRESENCE, hello_message, proof_message
from p2preg.crypto.verify import SignatureCheck
from p2preg.registry.effects import Fail, Notify, Reply
from p2preg.registry.events import Call, SessionClosed, SessionHeard, SessionOpened, SessionSilent, SessionWritable
from p2preg.sim.clock import Agenda
from p2preg.sim.host import Answer, Host
from p2preg.sim.subscriber import Subscriber
from p2preg.sim.trace import Trace

LATENCY = 0.002  # seconds one way
SILENT_SECONDS = 10.0  # as rpc.session: without any sign, the registry calls its nodes suspect


@dataclass(slots=True)
class Pending:
    """A call, and what became of it."""

    method: str
    then: Callable[[Pending], None] | None = None
    is_done: bool = False
    result: Any = None
    error: Refused | None = None

    def get(self) -> Any:
        """The result; raises the error that came instead."""
        assert self.is_done, f"{self.method} has not been answered"
        if self.error is not None:
            raise self.error
        return self.result


@dataclass(slots=True, eq=False)
class SimClient:
    """One session at `host`. `is_reading`: whether it takes the notifications of its subscriptions."""

    host: Host
    number: int
    agenda: Agenda
    trace: Trace
    run_until: Callable[[Callable[[], object], float], float]
    nonce: bytes
    is_open: bool = True
    is_reading: bool = True
    is_silent: bool = False
    server_nonce: bytes = b""
    network: str = ""
    notices: list[dict[str, Any]] = field(default_factory=list)
    subscribers: dict[int, Subscriber] = field(default_factory=dict)
    _calls: dict[int, Pending] = field(default_factory=dict)
    _next_call: int = 1
    _unread: list[dict[str, Any]] = field(default_factory=list)

    def open(self) -> None:
        self.host.sessions[self.number] = self._take
        self.host.on_down.append(self._lost)
        self.host.post(SessionOpened(self.number, "192.0.2.1", "", self.nonce))

    def close(self) -> None:
        """The socket closes."""
        if self.is_open:
            self.is_open = False
            self.host.sessions.pop(self.number, None)
            self.host.post(SessionClosed(self.number))

    def _lost(self) -> None:
        self.is_open = False

    def fall_silent(self) -> None:
        """It answers no pings from now on."""
        self.is_silent = True
        self.agenda.after(SILENT_SECONDS, self._judge_silent)

    def _judge_silent(self) -> None:
        if self.is_silent and self.is_open:
            self.host.post(SessionSilent(self.number))

    def speak_again(self) -> None:
        self.is_silent = False
        if self.is_open:
            self.host.post(SessionHeard(self.number))

    # --- calls ----------------------------------------------------------------------------------------------

    def send(self, method: str, then: Callable[[Pending], None] | None = None, **params: Any) -> Pending:
        """Make a call; `then` is told when it is answered."""
        pending = Pending(method, then)
        call, self._next_call = self._next_call, self._next_call + 1
        self._calls[call] = pending
        told = msgspec.json.decode(msgspec.json.encode(params))
        self.agenda.after(LATENCY, self._arrive, Call(self.number, call, method, told))
        return pending

    def call(self, method: str, **params: Any) -> Any:
        """Make a call and let the world run until it is answered."""
        pending = self.send(method, **params)
        self.run_until(lambda: pending.is_done, 60.0)
        return pending.get()

    def _arrive(self, call: Call) -> None:
        if self.is_open:
            self.host.post(call)

    def _take(self, answer: Answer) -> None:
        """The registry writes to the socket: it is there a moment later, as JSON."""
        match answer:
            case Reply(_, call, result):
                self.agenda.after(LATENCY, self._end, call, _as_json(result), None)
            case Fail(_, call, error):
                self.agenda.after(LATENCY, self._end, call, None, error)
            case Notify(_, "nodes.event", params):
                self._unread.append(_as_json(params))
                self.agenda.after(0.0, self._read)
            case Notify(_, _, params):
                self.agenda.after(LATENCY, self._on_notice, _as_json(params))

    def _end(self, call: int, result: Any, error: Refused | None) -> None:
        if not self.is_open:
            return
        self.trace.note(self.agenda.now, f"client {self.number}", (call, result, error))
        pending = self._calls.pop(call)
        pending.result, pending.error, pending.is_done = result, error, True
        if pending.then is not None:
            pending.then(pending)

    def _on_notice(self, params: dict[str, Any]) -> None:
        if self.is_open:
            self.trace.note(self.agenda.now, f"client {self.number}", params)
            self.notices.append(params)

    # --- subscriptions --------------------------------------------------------------------------------------

    def subscribe(self, resuming: Subscriber | None = None, **params: Any) -> Subscriber:
        """Subscribe, and let the world run until the answer is there. `resuming`: whose nodes it already holds."""
        subscriber = Subscriber()
        begun = self.subscribe_nowait(subscriber, resuming, **params)
        self.run_until(lambda: begun.is_done, 60.0)
        begun.get()
        return subscriber

    def subscribe_nowait(self, subscriber: Subscriber, resuming: Subscriber | None = None, **params: Any) -> Pending:
        """Subscribe on behalf of `subscriber`, without letting time pass."""
        if resuming is not None:
            params["have"] = resuming.have()

        def begin(pending: Pending) -> None:
            if pending.error is None:
                subscriber.begin(pending.result, resuming)
                self.subscribers[subscriber.number] = subscriber

        return self.send("nodes.subscribe", begin, **params)

    def read_again(self) -> None:
        """Take what has gathered, and all that comes."""
        self.is_reading = True
        self._read()

    def _read(self) -> None:
        """Each notification that leaves makes room for one more."""
        while self.is_reading and self.is_open and self._unread:
            params = self._unread.pop(0)
            self.agenda.after(LATENCY, self._on_events, params)
            self.agenda.after(0.0, self.host.post, SessionWritable(self.number))

    def _on_events(self, params: dict[str, Any]) -> None:
        if self.is_open:
            self.trace.note(self.agenda.now, f"client {self.number}", params)
            self.subscribers[params["subscription"]].take(params)

    # --- identities -----------------------------------------------------------------------------------------

    def hello_params(self) -> dict[str, str]:
        return {"agent": "sim", "client_nonce": self.nonce.hex()}

    def greeted(self, result: dict[str, Any]) -> None:
        """Take in the answer to `session.hello`; its signature must be the registry's."""
        self.server_nonce = bytes.fromhex(result["server_nonce"])
        self.network = result["network"]
        said = hello_message(self.network, self.host.id, self.nonce, self.server_nonce)
        claim = SignatureCheck(self.host.id, said, bytes.fromhex(result["signature"]))
        assert self.host.reading.verify(claim), "not this registry"

    def hello(self) -> dict[str, Any]:
        result: dict[str, Any] = self.call("session.hello", **self.hello_params())
        self.greeted(result)
        return result

    def signed(self, key: IdentityKey, role: str, seq: int) -> str:
        """The signature of a login, or of a proof of presence, in hex."""
        prefix = PRESENCE if role == "node" else LOGIN
        message = proof_message(prefix, self.network, self.host.authority, self.host.id, self.server_nonce, seq)
        return key.sign(message).hex()

    def login_params(self, key: IdentityKey, role: str, seq: int) -> dict[str, Any]:
        return {
            "role": role,
            "public_key": key.public.hex(),
            "authority": self.host.authority,
            "seq": seq,
            "signature": self.signed(key, role, seq),
        }

    def authenticate(self, key: IdentityKey, role: str, seq: int) -> dict[str, Any]:
        result: dict[str, Any] = self.call("session.authenticate", **self.login_params(key, role, seq))
        return result


def _as_json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
