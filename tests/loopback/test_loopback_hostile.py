"""Whoever can reach the two ports: scanners, slow writers, floods, wrong protocols. Each costs itself only."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
from handmade import Key
from raw_client import RawClient, connect, eventually, until_shown
from registry_process import RegistryProcess, registries
from trio_websocket import ConnectionClosed

MIB = 1024 * 1024
RSS_GROWTH_MAX = 60 * MIB
SEED = 20_240_229
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TLS_HELLO = bytes.fromhex("160301002f0100002b0303") + bytes(32) + bytes.fromhex("000004130113020100")
# What scanners say first, to whatever listens.
GREETINGS = {
    "nothing": b"",
    "a newline": b"\r\n\r\n",
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "http with a body": b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "a long header": b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
    "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64),
    "a bad upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "an upgrade to elsewhere": b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
    "an absurd length": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "a tls hello that ends": TLS_HELLO[:20],
    "a tls hello": TLS_HELLO,
    "a tls alert": bytes.fromhex("15030300020228"),
    "tls of an absurd size": bytes.fromhex("160301ffff") + bytes(70_000),
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "smb": b"\x00\x00\x00\x85\xffSMBr" + bytes(100),
    "redis": b"*1\r\n$4\r\nINFO\r\n",
    "zeros": bytes(100_000),
    "ones": b"\xff" * 100_000,
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RegistryProcess]]:
    """Two registries of which the first is tormented."""
    with registries(tmp_path_factory.mktemp("pair"), 2) as found:
        yield found


@pytest.fixture
async def victim(pair: list[RegistryProcess], region: str) -> AsyncIterator[RegistryProcess]:
    """The first registry; it must still serve afterwards, and may not grow much while it is tormented."""
    before = pair[0].rss_bytes()
    yield pair[0]
    growth = pair[0].peak_rss_bytes() - before
    assert growth < RSS_GROWTH_MAX, f"grew by {growth / MIB:.1f} MiB"
    await serves(pair, region)
    pair[0].assert_no_traceback()


async def serves(pair: list[RegistryProcess], region: str) -> None:
    """An honest client registers at the first registry and is seen at the second."""
    key = Key()
    async with connect(pair[0].rpc) as client, connect(pair[1].rpc) as other:
        with trio.fail_after(10):
            await client.register(key, {"region": region})
            await until_shown(other, key.id, contact="live")
            await client.call("node.leave")


def port_of(victim: RegistryProcess, door: str) -> int:
    address = victim.peer if door == "peer" else victim.authority
    return int(address.rpartition(":")[2])


@asynccontextmanager
async def dialled(victim: RegistryProcess, door: str) -> AsyncIterator[trio.SocketStream]:
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(victim, door))
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


async def pour(stream: trio.SocketStream, octets: bytes) -> None:
    """Send as much as the other side takes, and no longer than a moment."""
    with trio.move_on_after(2):
        try:
            await stream.send_all(octets)
        except trio.BrokenResourceError:
            return


async def drain(stream: trio.SocketStream, seconds: float = 0.3) -> bytes:
    """What comes back within a moment."""
    answer = b""
    with trio.move_on_after(seconds):
        try:
            while chunk := await stream.receive_some(65_536):
                answer += chunk
        except trio.BrokenResourceError:
            pass
    return answer


# --- the wrong protocol ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["peer", "rpc"])
async def test_whatever_a_scanner_says_first_costs_its_own_connection_only(victim: RegistryProcess, door: str) -> None:
    async def scan(octets: bytes, how: str) -> None:
        async with dialled(victim, door) as stream:
            await pour(stream, octets)
            if how == "half-closed":
                await stream.send_eof()
            if how == "reset":
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            await drain(stream)

    async with trio.open_nursery() as nursery:
        for octets in GREETINGS.values():
            for how in ("open", "half-closed", "reset"):
                nursery.start_soon(scan_safely, scan, octets, how)


async def scan_safely(scan: Callable[[bytes, str], Awaitable[None]], octets: bytes, how: str) -> None:
    try:
        await scan(octets, how)
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        return


@pytest.mark.parametrize("door", ["peer", "rpc"])
async def test_random_bytes_cost_their_own_connection_only(victim: RegistryProcess, door: str) -> None:
    rng = random.Random(SEED)
    prefixes = [b"", TLS_HELLO[:5], UPGRADE.format(host="127.0.0.1").encode()]

    async def scan(octets: bytes, how: str) -> None:
        async with dialled(victim, door) as stream:
            await pour(stream, octets)
            await drain(stream, 0.2)

    for _ in range(4):
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                octets = rng.choice(prefixes) + rng.randbytes(rng.randrange(4_000))
                nursery.start_soon(scan_safely, scan, octets, "")


async def test_a_browser_that_comes_to_the_rpc_port_gets_an_http_answer(victim: RegistryProcess) -> None:
    async with dialled(victim, "rpc") as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await drain(stream, 2)).startswith(b"HTTP/1.1 4")


# --- slow and idle --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["peer", "rpc"])
async def test_half_open_connections_and_slow_writers_keep_nobody_out(
    pair: list[RegistryProcess], victim: RegistryProcess, door: str, region: str
) -> None:
    request = UPGRADE.format(host=victim.authority).encode() if door == "rpc" else TLS_HELLO
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(dialled(victim, door)) for _ in range(100)]
        for at in range(6):
            for stream in streams[:50]:
                await pour(stream, request[at : at + 1])
        await serves(pair, region)


async def test_three_hundred_idle_clients_cost_little_and_all_are_still_served(
    pair: list[RegistryProcess], victim: RegistryProcess, region: str
) -> None:
    before = victim.open_files()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(victim.rpc)) for _ in range(300)]
        await serves(pair, region)
        for client in clients[::30]:
            assert "time_ms" in await client.call("rpc.ping")

    async def all_closed() -> bool:
        return victim.open_files() <= before + 5

    await eventually(all_closed, "their sockets are given back")


async def test_clients_that_come_and_vanish_leave_nothing_behind(victim: RegistryProcess, region: str) -> None:
    before = victim.open_files()
    for _ in range(5):
        async with AsyncExitStack() as stack:
            for _ in range(40):
                client = await stack.enter_async_context(connect(victim.rpc))
                await client.begin("nodes.subscribe")
                await client.begin("nodes.list", limit=1000)
                await client.abort()

    async def all_closed() -> bool:
        return victim.open_files() <= before + 5

    await eventually(all_closed, "their sockets are given back")
    async with connect(victim.rpc) as client:

        async def no_subscriptions() -> bool:
            statistics = (await client.call("registry.info")).get("statistics", {})
            return statistics.get("subscriptions", 0) == 0 and statistics.get("sessions", 1) == 1

        await eventually(no_subscriptions, "sessions and subscriptions are forgotten")


# --- too much -------------------------------------------------------------------------------------------------------


async def test_frames_of_ten_megabytes_are_refused_before_they_are_held(victim: RegistryProcess) -> None:
    async def flood(text: str) -> None:
        async with connect(victim.rpc) as client:
            try:
                await client.send(text)
            except ConnectionClosed:
                pass
            assert await client.until_closed() in (1006, 1009)

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(flood, "[" + "1," * (5 * MIB) + "1]")


async def test_a_message_in_endless_fragments_is_refused(victim: RegistryProcess) -> None:
    async with connect(victim.rpc) as client:
        fragment = bytes.fromhex("80")  # masked; the mask is zeros
        try:
            await client.send_raw(b"\x01" + fragment + bytes(4))
            for _ in range(2_000):
                await client.send_raw(b"\x00\xfe" + struct.pack(">H", 1_000) + bytes(4) + b"x" * 1_000)
        except (trio.BrokenResourceError, ConnectionClosed):
            pass
        assert await client.until_closed() in (1006, 1009)


@pytest.mark.parametrize(
    "octets",
    [
        bytes.fromhex("8180") + bytes(4),  # an empty text
        bytes.fromhex("8100"),  # not masked
        bytes.fromhex("c180") + bytes(4),  # a reserved bit
        bytes.fromhex("8380") + bytes(4),  # a reserved opcode
        bytes.fromhex("0980") + bytes(4),  # a ping in fragments
        bytes.fromhex("80ff7fffffffffffffff") + bytes(4),  # a continuation of nothing, of 2^63 bytes
        bytes.fromhex("8881") + bytes(4) + b"\x03",  # a close frame of one byte
        bytes.fromhex("8882") + bytes(4) + b"\x00\x00",  # a close code that there is not
        bytes.fromhex("8883") + bytes(4) + b"\x03\xe8\xff",  # a close reason that is not UTF-8
        bytes.fromhex("8980") + bytes(4),  # a ping
        bytes.fromhex("8a80") + bytes(4),  # a pong to nothing
        bytes.fromhex("89fe") + struct.pack(">H", 126) + bytes(4) + bytes(126),  # a ping that is too long
    ],
    ids=lambda octets: octets[:4].hex(),
)
async def test_frames_that_the_websocket_protocol_forbids_cost_their_own_session_only(
    victim: RegistryProcess, octets: bytes
) -> None:
    async with connect(victim.rpc) as client, connect(victim.rpc) as neighbour:
        await client.greet()
        for _ in range(3):
            try:
                await client.send_raw(octets)
            except trio.BrokenResourceError:
                break
        assert "time_ms" in await neighbour.call("rpc.ping")


async def test_a_client_that_goes_on_while_it_is_being_closed_costs_its_own_session_only(
    victim: RegistryProcess,
) -> None:
    ping, large = bytes.fromhex("8980") + bytes(4), b"x" * 300_000
    for while_closing in (ping, b"\x81\xff" + struct.pack(">Q", len(large)) + bytes(4) + large):
        async with connect(victim.rpc) as client, connect(victim.rpc) as neighbour:
            await client.greet()
            for _ in range(1_000):
                await client.send("nonsense")
            client.valve.shut()  # so that its library does not answer the close
            try:
                for _ in range(100):
                    await client.send_raw(while_closing)
                    await neighbour.call("rpc.ping")
            except trio.BrokenResourceError:
                pass
            assert "time_ms" in await neighbour.call("rpc.ping")


async def test_a_client_that_asks_much_and_reads_nothing_is_bounded(victim: RegistryProcess, region: str) -> None:
    keys = [Key() for _ in range(100)]
    labels = {f"label{n}": "x" * 120 for n in range(20)}
    async with connect(victim.rpc) as host, connect(victim.rpc, receive_buffer=16_384) as greedy:
        for key in keys:
            await host.register(key, {"region": region, "labels": labels})
        greedy.valve.shut()
        with trio.move_on_after(5):
            for _ in range(3_000):
                await greedy.begin("nodes.list", limit=1000, include="all", filter={"eq": ["region", region]})
        assert "time_ms" in await host.call("rpc.ping")
        for key in keys:
            await host.call("node.leave", node_id=key.id)


async def test_batches_that_ask_for_everything_many_times_are_bounded(victim: RegistryProcess, region: str) -> None:
    async def ask(client: RawClient) -> None:
        call = {"jsonrpc": "2.0", "method": "rpc.discover", "id": 1}
        answers = await client.ask([call] * 1_000)
        assert len(answers) == 1_000
        assert answers[-1]["error"]["code"] == -32005

    async with connect(victim.rpc) as one:
        with trio.fail_after(15):
            await ask(one)
