"""A registry as clients see one: a websocket server on loopback that answers what the test tells it to."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from p2preg.client.proving import unix_ms
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.presence import PRESENCE, hello_message, proof_message
from p2preg.crypto.verify import SignatureCheck, verify

NETWORK = "test-0123456789abcdef"
PATIENT = 10.0  # seconds until a test that waits in vain fails
PATIENT_JUMPING = 7_200.0  # the same on a clock that jumps
FRESH = {
    "registries_known": 2,
    "registries_fresh": 2,
    "oldest_heartbeat_age_s": 1.0,
    "synced": True,
    "preserving": False,
}


class Refusal(Exception):
    """What a handler raises to answer with an error."""

    def __init__(self, code: int, reason: str, **data: Any) -> None:
        super().__init__(reason)
        self.code = code
        self.data = {"reason": reason, **data}


class Silence(Exception):
    """What a handler raises to answer nothing."""


@dataclass
class Visitor:
    """One session, as the registry sees it."""

    websocket: WebSocketConnection
    nonce: bytes
    calls: list[tuple[str, Any]] = field(default_factory=list)
    logins: list[dict[str, Any]] = field(default_factory=list)

    async def notify(self, method: str, params: Any) -> None:
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def send(self, message: Any) -> None:
        await self.websocket.send_message(msgspec.json.encode(message).decode())


Handler = Callable[[Any, Visitor], Any]


class FakeRegistry:
    """Knows hello, authenticate and the node's calls; `handlers` override or add methods."""

    def __init__(self, name: str, peers: Sequence[FakeRegistry] = ()) -> None:
        self.key = IdentityKey(name.encode().ljust(32, b"."))
        self.registry_id = self.key.public.hex()
        self.network = NETWORK
        self.peers = peers
        self.handlers: dict[str, Handler] = {}
        self.visitors: list[Visitor] = []
        self.url = ""
        self.authority = ""
        self.nodes: list[dict[str, Any]] = []
        self.freshness: dict[str, Any] = dict(FRESH)
        self._changed = trio.Event()
        self._numbers = itertools.count(1)
        self._scope = trio.CancelScope()

    # --- what a test looks at -------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[tuple[str, Any]]:
        return [call for visitor in self.visitors for call in visitor.calls]

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    async def wait_for(self, condition: Callable[[], Any]) -> Any:
        """Until `condition` holds, looked at after each call."""
        jumping = isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)
        with trio.fail_after(PATIENT_JUMPING if jumping else PATIENT):
            while not (value := condition()):
                await self._changed.wait()
            return value

    async def wait_call(self, method: str, count: int = 1) -> Any:
        """The params of the `count`th call of a method."""
        await self.wait_for(lambda: self.methods.count(method) >= count)
        return [params for name, params in self.calls if name == method][count - 1]

    def proof_holds(self, visitor: Visitor, public_key: str, seq: int, signature: str) -> bool:
        message = proof_message(PRESENCE, self.network, self.authority, self.key.public, visitor.nonce, seq)
        return verify(SignatureCheck(bytes.fromhex(public_key), message, bytes.fromhex(signature)))

    # --- running --------------------------------------------------------------------------------------------------

    async def run(self, port: int, task_status: trio.TaskStatus[None]) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                server = await nursery.start(
                    lambda task_status: serve_websocket(
                        self._serve, "127.0.0.1", port, None, task_status=task_status, handler_nursery=nursery
                    )
                )
                self.authority = f"127.0.0.1:{server.port}"
                self.url = f"ws://{self.authority}/"
                task_status.started()

    def stop(self) -> None:
        """As a killed process: every socket closes, nobody listens."""
        self._scope.cancel()

    async def _serve(self, request: WebSocketRequest) -> None:
        websocket = await request.accept()
        visitor = Visitor(websocket, nonce=next(self._numbers).to_bytes(32))
        self.visitors.append(visitor)
        try:
            while True:
                message = msgspec.json.decode(await websocket.get_message())
                batch = message if isinstance(message, list) else [message]
                answers = [answer for each in batch if (answer := self._answer(each, visitor)) is not None]
                if answers:
                    await visitor.send(answers if isinstance(message, list) else answers[0])
                self._changed.set()
                self._changed = trio.Event()
        except ConnectionClosed:
            pass

    def _answer(self, request: dict[str, Any], visitor: Visitor) -> dict[str, Any] | None:
        method, params = request["method"], request.get("params")
        visitor.calls.append((method, params))
        handler = self.handlers.get(method) or getattr(self, "on_" + method.replace(".", "_"))
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            answer["result"] = handler(params, visitor)
        except Refusal as refusal:
            answer["error"] = {"code": refusal.code, "message": str(refusal), "data": refusal.data}
        except Silence:
            return None
        return answer if "id" in request else None

    # --- methods --------------------------------------------------------------------------------------------------

    def on_session_hello(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        message = hello_message(self.network, self.key.public, bytes.fromhex(params["client_nonce"]), visitor.nonce)
        return {
            "registry_id": self.registry_id,
            "epoch": 1,
            "network": self.network,
            "version": "0",
            "server_nonce": visitor.nonce.hex(),
            "signature": self.key.sign(message).hex(),
            "time_ms": unix_ms(),
            "rpc": self.url,
            "peers": [{"registry_id": peer.registry_id, "rpc": peer.url} for peer in self.peers],
            "limits": {"batch": 1000},
        }

    def on_session_authenticate(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        visitor.logins.append(params)
        return {"client_id": params["public_key"]}

    def on_node_register(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {
            "node_id": params["node_id"],
            "outcome": "created",
            "state": params.get("state", "serving"),
            "registry_id": self.registry_id,
            "epoch": 1,
            "observed_address": "127.0.0.1",
            "warnings": [],
            **lease(),
        }

    def on_node_renew(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {"registry_id": self.registry_id, "epoch": 1, **lease()}

    def on_node_load(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {}

    def on_node_drain(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {"state": params["level"]}

    def on_node_resume(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {"state": "serving"}

    def on_node_leave(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {"state": "stopped"}

    def on_nodes_get(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {"nodes": self.nodes, "missing": [], "freshness": self.freshness}

    def on_nodes_list(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {"nodes": self.nodes, "total": len(self.nodes), "freshness": self.freshness}

    def on_nodes_unsubscribe(self, params: Any, visitor: Visitor) -> bool:
        return True

    def on_rpc_ping(self, params: Any, visitor: Visitor) -> dict[str, Any]:
        return {"time_ms": unix_ms()}


def lease(renew_after_s: float = 60.0) -> dict[str, Any]:
    now_ms = unix_ms()
    return {
        "lease": {"expires_ms": now_ms + 1_800_000, "renew_after_s": renew_after_s},
        "advert_expires_ms": now_ms + 86_400_000,
    }


@asynccontextmanager
async def running(*registries: FakeRegistry) -> AsyncIterator[None]:
    """The registries listen for the time of the block."""
    async with trio.open_nursery() as nursery:
        for registry in registries:
            await nursery.start(registry.run, 0)
        yield
        nursery.cancel_scope.cancel()
