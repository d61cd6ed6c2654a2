"""The driver: what it does with the effects of a core, and with a bug of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing

from p2preg.base.errors import Refused
from p2preg.base.events import Expired
from p2preg.net.driver import Driver
from p2preg.registry.effects import Reply
from p2preg.registry.events import Call


class Disk:
    def put_nowait(self, writes: Sequence[tuple[int, bytes, bytes]], on_durable: Callable[[], None]) -> None:
        on_durable()

    def delete_nowait(self, keys: Sequence[bytes]) -> None: ...

    def meta_put_nowait(self, name: str, value: bytes) -> None: ...

    def pressure(self) -> bool:
        return False

    def size_bytes(self) -> int:
        return 0


@dataclass
class Clients:
    """What the websocket sessions were told."""

    told: list[tuple[int, int, Any]] = field(default_factory=list)

    def reply(self, session: int, call: int, result: Any) -> None:
        self.told.append((session, call, result))

    def fail(self, session: int, call: int, error: Refused) -> None:
        self.told.append((session, call, error))

    def notify(self, session: int, method: str, params: Any) -> None: ...


class Core:
    """Answers `rpc.ping`, and has a bug in everything else."""

    def start(self, anchors: object, now: float, now_ms: int) -> list[Any]:
        return []

    def handle(self, event: object, now: float, now_ms: int) -> list[Any]:
        if isinstance(event, Call) and event.method == "rpc.ping":
            return [Reply(event.session, event.call, "pong")]
        raise ZeroDivisionError(f"a bug in {event}")


def driven() -> tuple[Driver, Clients]:
    driver, clients = Driver(Disk()), Clients()
    driver.connect(Core(), None)  # type: ignore[arg-type]
    driver.serve(clients)
    return driver, clients


async def test_a_bug_in_one_call_is_that_calls_error_and_the_next_is_answered(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    driver, clients = driven()
    await nursery.start(driver.run, [])
    driver.post(Call(1, 1, "nodes.list", {}))
    driver.post(Call(2, 7, "rpc.ping", {}))
    await trio.testing.wait_all_tasks_blocked()
    (session, call, error), after = clients.told
    assert (session, call, error.code, error.reason) == (1, 1, -32603, "internal")
    assert after == (2, 7, "pong")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.data["incident"] in record.getMessage()
    assert "ZeroDivisionError" not in error.message
    nursery.cancel_scope.cancel()


async def test_a_bug_anywhere_else_ends_the_process() -> None:
    driver, _ = driven()
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(driver.run, [])
            driver.post(Expired(("registry", "tick")))
    assert caught.group_contains(ZeroDivisionError)
