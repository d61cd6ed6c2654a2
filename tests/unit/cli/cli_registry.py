"""A registry in a thread, for commands that run their own event loop: each method answers what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

PATIENT = 10.0


class CannedRegistry:
    """`answers`: method → result, or an `Exception` with (code, data) to refuse. `calls`: what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"rpc.ping": {"time_ms": 1}}
        self.calls: list[tuple[str, Any]] = []
        self.url = ""
        self._ready = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()

    @contextmanager
    def listening(self) -> Iterator[CannedRegistry]:
        thread = threading.Thread(target=trio.run, args=[self._run], daemon=True)
        thread.start()
        assert self._ready.wait(PATIENT)
        yield self
        assert self._token is not None
        self._token.run_sync_soon(self._scope.cancel)
        thread.join(PATIENT)

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            async with trio.open_nursery() as nursery:
                server = await nursery.start(
                    lambda task_status: serve_websocket(
                        self._serve, "127.0.0.1", 0, None, task_status=task_status, handler_nursery=nursery
                    )
                )
                self.url = f"ws://127.0.0.1:{server.port}/"
                self._ready.set()

    async def _serve(self, request: WebSocketRequest) -> None:
        websocket = await request.accept()
        try:
            while True:
                asked = msgspec.json.decode(await websocket.get_message())
                self.calls.append((asked["method"], asked.get("params")))
                answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
                canned = self.answers[asked["method"]]
                if isinstance(canned, Exception):
                    code, data = canned.args
                    answer["error"] = {"code": code, "message": "no", "data": data}
                else:
                    answer["result"] = canned
                await websocket.send_message(msgspec.json.encode(answer).decode())
        except ConnectionClosed:
            pass
