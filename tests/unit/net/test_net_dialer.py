"""The dialer: how many at once, which wait for which, and that each request has one outcome."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from p2preg.base.errors import ConfigError, RemoteProtocolError
from p2preg.base.limits import DIALS_MAX, DIALS_WAITING_MAX
from p2preg.net.config import LinkConfig
from p2preg.net.dialer import Dialer, DialGate, DialRequest
from p2preg.net.handshake import LinkRefused
from p2preg.net.link import Link
from p2preg.net.links import LinkTable
from p2preg.net.tls import WrongPeer

ALICE, BOB, CAROL = b"a" * 32, b"b" * 32, b"c" * 32


class Silence:
    """A sink for a table that stays empty."""

    async def wait_ready(self) -> None: ...


@dataclass
class Rig:
    """A dialer whose connections all fail, once `release` is set."""

    dialer: Dialer
    release: trio.Event
    connects: list[tuple[str, int]] = field(default_factory=list)
    failures: list[tuple[DialRequest, str]] = field(default_factory=list)
    failed: trio.Event = field(default_factory=trio.Event)

    def fail(self, request: DialRequest, reason: str) -> None:
        self.failures.append((request, reason))
        self.failed.set()


@asynccontextmanager
async def _rig(monkeypatch: pytest.MonkeyPatch, config: LinkConfig | None = None) -> AsyncIterator[Rig]:
    config = config or LinkConfig()
    table = LinkTable(ALICE, Silence(), config)  # type: ignore[arg-type]

    async def dial(stream: trio.abc.Stream, endpoint: str, gate: DialGate) -> Link:
        raise RemoteProtocolError("nobody there")

    async def carry(link: Link) -> None:
        raise AssertionError("no link was made")

    dialer = Dialer(dial, carry, lambda request, reason: rig.fail(request, reason), table, config)
    rig = Rig(dialer, trio.Event())

    async def connect(host: str, port: int) -> trio.abc.Stream:
        rig.connects.append((host, port))
        await rig.release.wait()
        return trio.testing.memory_stream_pair()[0]

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dialer.run, nursery)
        yield rig
        nursery.cancel_scope.cancel()


def _named(number: int) -> DialRequest:
    return DialRequest(f"10.0.0.{number}:1", bytes([number]) * 32)


async def test_so_many_at_once_and_the_others_in_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _rig(monkeypatch) as rig:
        for number in range(DIALS_MAX + 4):
            rig.dialer.request(_named(number))
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.connects) == rig.dialer.running == DIALS_MAX
        assert rig.dialer.waiting == 4
        rig.release.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.failures) == DIALS_MAX + 4
        assert {request for request, _ in rig.failures} == {_named(number) for number in range(DIALS_MAX + 4)}
        assert {reason for _, reason in rig.failures} == {"nobody there"}
        assert (rig.dialer.running, rig.dialer.waiting) == (0, 0)


async def test_identical_requests_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _rig(monkeypatch) as rig:
        for _ in range(3):
            rig.dialer.request(_named(1))
            await trio.testing.wait_all_tasks_blocked()
        rig.release.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.connects) == len(rig.failures) == 1


async def test_one_dial_per_peer_and_one_per_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _rig(monkeypatch) as rig:
        for endpoint, peer in (("10.0.0.1:1", BOB), ("10.0.0.2:1", BOB), ("10.0.0.1:1", None)):
            rig.dialer.request(DialRequest(endpoint, peer))
        rig.dialer.request(DialRequest("10.0.0.3:1", None))
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(rig.connects) == [("10.0.0.1", 1), ("10.0.0.3", 1)]
        rig.release.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.failures) == 4


async def test_beyond_the_queues_cap_a_request_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _rig(monkeypatch) as rig:
        for number in range(DIALS_WAITING_MAX + 1):
            rig.dialer.request(DialRequest(f"host{number}:1", None))
        assert rig.dialer.waiting == DIALS_WAITING_MAX
        assert rig.failures == [(DialRequest(f"host{DIALS_WAITING_MAX}:1", None), "256 dials are waiting already")]


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("nonsense", "an address has the form"),
        ("", "an address has the form"),
        ("10.0.0.1:0", "not dialled"),
        ("0.0.0.0:4010", "not dialled"),
    ],
)
async def test_an_endpoint_that_cannot_be_dialled_fails(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, reason: str
) -> None:
    async with _rig(monkeypatch) as rig:
        rig.dialer.request(DialRequest(endpoint, BOB))
        await trio.testing.wait_all_tasks_blocked()
        assert rig.connects == []
        assert reason in rig.failures[0][1]


async def test_a_connection_that_hangs_fails_at_its_deadline(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async with _rig(monkeypatch) as rig:
        rig.dialer.request(_named(1))
        await rig.failed.wait()
        assert rig.failures == [(_named(1), "no connection within 5.0 s")]
        assert trio.current_time() == pytest.approx(5)


def _gate(expected: bytes | None, greeting: dict[bytes, None] | None = None) -> DialGate:
    table = LinkTable(ALICE, Silence(), LinkConfig())  # type: ignore[arg-type]
    return DialGate(expected, table, {} if greeting is None else greeting)


def test_somebody_else_at_the_address_is_refused() -> None:
    with pytest.raises(WrongPeer, match=f"{BOB[:4].hex()} was dialled, {CAROL[:4].hex()} answered"):
        _gate(BOB).check_peer(CAROL)
    _gate(BOB).check_peer(BOB)
    _gate(None).check_peer(CAROL)


def test_of_two_dials_that_reach_one_peer_the_second_gives_way() -> None:
    greeting: dict[bytes, None] = {}
    first, second = _gate(BOB, greeting), _gate(None, greeting)
    first.check_peer(BOB)
    with pytest.raises(LinkRefused):
        second.check_peer(BOB)
    second.leave()
    first.leave()
    assert greeting == {}


def test_a_config_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigError, match="connect_seconds must be greater than 0"):
        LinkConfig(connect_seconds=0)
    with pytest.raises(ConfigError, match="pong_seconds 1 must not be below"):
        LinkConfig(pong_seconds=1)
