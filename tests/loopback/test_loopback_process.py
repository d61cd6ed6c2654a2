"""A registry as a process of its operator: addresses, proxies, seeds that are not there, keys that are in use."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from follower import follow
from handmade import ATTRIBUTES, Key
from raw_client import connect, eventually
from registry_process import ROOT, RegistryProcess, end

EXIT_USAGE = 2


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[RegistryProcess]]:
    """What a test puts in here is ended, and its log judged."""
    processes: list[RegistryProcess] = []
    yield processes
    end(processes)


def refused(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a registry that must not start."""
    command = [sys.executable, "-m", "p2preg", "node", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


async def test_ipv6_addresses_work_and_are_written_in_brackets(
    started: list[RegistryProcess], tmp_path: Path, region: str
) -> None:
    first = RegistryProcess(tmp_path / "first", "--listen", "[::1]:0", "--rpc", "[::1]:0")
    second = RegistryProcess(tmp_path / "second", "--listen", "[::1]:0", "--rpc", "[::1]:0")
    started += [first, second]
    first.start()
    second.start([first])
    assert first.peer.startswith("[::1]:")
    assert first.rpc.startswith("ws://[::1]:")
    key = Key()
    async with connect(first.rpc) as client, connect(second.rpc) as other:
        result = await client.register(key, {"region": region})
        assert result["observed_address"] == "::1"

        async def is_listed() -> bool:
            return bool((await other.call("nodes.list", filter={"eq": ["region", region]}))["total"] == 1)

        await eventually(is_listed, "the node is known over IPv6")


async def test_only_a_trusted_proxy_says_who_the_client_is(started: list[RegistryProcess], tmp_path: Path) -> None:
    behind = RegistryProcess(tmp_path / "behind", "--trusted-proxy", "127.0.0.0/8")
    alone = RegistryProcess(tmp_path / "alone")
    started += [behind, alone]
    for registry in started:
        registry.start()
    forged = [("X-Forwarded-For", "198.51.100.1, 203.0.113.7")]
    for registry, seen in ((behind, "203.0.113.7"), (alone, "127.0.0.1")):
        async with connect(registry.rpc, headers=forged) as client:
            assert (await client.register(Key()))["observed_address"] == seen


async def test_seeds_that_cannot_be_reached_block_nothing_but_synced(
    started: list[RegistryProcess], tmp_path: Path, region: str
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{reserved.getsockname()[1]}"
        lonely = RegistryProcess(tmp_path / "lonely")
        started.append(lonely)
        lonely.start([nobody, "does-not-exist.invalid:7401"])
        async with connect(lonely.rpc) as client:
            assert (await client.register(Key(), {"region": region}))["outcome"] == "created"
            info = await client.call("registry.info")
            assert info["synced"] is False
            listed = await client.call("nodes.list", filter={"eq": ["region", region]})
            assert (listed["total"], listed["freshness"]["synced"]) == (1, False)
            # Not being synced, it answers a digest that is equal at once; one that is not has to wait.
            held = {node["node_id"]: node for node in listed["nodes"]}
            with trio.fail_after(5):
                resumed = await follow(client, held, filter={"eq": ["region", region]})
                assert (await resumed.until_synced()).mode == "difference"
            waiting = await client.begin("nodes.subscribe", have={"count": 7, "digest": "ab" * 16})
            await client.call("rpc.ping")
            assert waiting not in client.notifications_before
    first = RegistryProcess(tmp_path / "first").start()
    started.append(first)
    async with connect(first.rpc) as client:  # one without seeds or peers is a first node, and synced
        assert (await client.call("registry.info"))["synced"] is True


async def test_a_seed_that_comes_up_later_is_found(started: list[RegistryProcess], tmp_path: Path) -> None:
    late = RegistryProcess(tmp_path / "late", keeps_ports=True)
    early = RegistryProcess(tmp_path / "early")
    started += [late, early]
    late.start()
    assert late.stop() == 0
    early.start([late])
    late.start()
    async with connect(early.rpc) as client:

        async def has_a_peer() -> bool:
            info = await client.call("registry.info")
            return bool(info["peers"]["active"] == 1 and info["synced"])

        await eventually(has_a_peer, "the seed was tried again", 30)


async def test_two_processes_do_not_run_on_one_data_directory(started: list[RegistryProcess], tmp_path: Path) -> None:
    running = RegistryProcess(tmp_path / "running").start()
    started.append(running)
    code, said = refused("--data-dir", str(running.directory), "--listen", "127.0.0.1:0", "--rpc", "127.0.0.1:0")
    assert code != 0
    assert said.strip()
    async with connect(running.rpc) as client:
        await client.call("rpc.ping")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "0.0.0.0:0", "--rpc", "127.0.0.1:0"], "--advertise"),
        (["--listen", "127.0.0.1:0", "--rpc", "0.0.0.0:0"], "--advertise-rpc"),
        (["--listen", "[::]:0", "--rpc", "127.0.0.1:0"], "--advertise"),
        (["--listen", "127.0.0.1"], "127.0.0.1"),
        (["--listen", "127.0.0.1:99999"], "99999"),
        (["--seed", "nonsense"], "--seed"),
        (["--trusted-proxy", "10.0.0.0/99"], "--trusted-proxy"),
        (["--advertise-rpc", "http://example.org/"], "--advertise-rpc"),
        (["--config", "does-not-exist.toml"], "--config"),
        (["--rpc-tls-cert", "cert.pem"], "--rpc-tls-key"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused_with_a_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    code, error = refused("--data-dir", str(tmp_path / "data"), *arguments)
    assert code == EXIT_USAGE
    assert said in error


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments in (["--listen", address, "--rpc", "127.0.0.1:0"], ["--listen", "127.0.0.1:0", "--rpc", address]):
            code, error = refused("--data-dir", str(tmp_path / "data"), *arguments)
            assert code == EXIT_USAGE
            assert address in error


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    registry = RegistryProcess(tmp_path / "open").start()
    assert registry.stop() == 0
    [key] = registry.directory.glob("*.pem")
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    code, error = refused("--data-dir", str(registry.directory), "--listen", "127.0.0.1:0", "--rpc", "127.0.0.1:0")
    assert code != 0
    assert str(key) in error
    registry.assert_no_traceback()


async def test_websockets_over_tls_work_and_whoever_does_not_speak_it_costs_only_itself(
    started: list[RegistryProcess], tmp_path: Path, region: str
) -> None:
    certificate, key = _self_signed(tmp_path)
    registry = RegistryProcess(tmp_path / "secure", "--rpc-tls-cert", certificate, "--rpc-tls-key", key).start()
    started.append(registry)
    assert registry.rpc.startswith("wss://127.0.0.1:")
    host, _, port = registry.authority.rpartition(":")
    too_long, alert = b"\x16\x03\x01\xff\xff" + bytes(70_000), b"\x15\x03\x03\x00\x02\x02\x28"
    for octets in (b"", b"GET / HTTP/1.1\r\n\r\n", too_long, alert):
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(octets)
        await stream.send_eof()
        with trio.move_on_after(0.2):
            await stream.receive_some()
        await trio.aclose_forcefully(stream)
    trusting = ssl.create_default_context(cafile=certificate)
    async with connect(registry.rpc, tls=trusting) as client, connect(registry.rpc, tls=trusting) as other:
        assert (await client.register(Key(), {"region": region}))["outcome"] == "created"
        await client.abort()
        assert (await other.call("nodes.list", include="all"))["total"] == 1


def _self_signed(directory: Path) -> tuple[str, str]:
    """Paths of a certificate for localhost and of its key."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    paths = directory / "tls.crt", directory / "tls.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(paths[0]), str(paths[1])


async def test_a_json_log_is_one_object_a_line(started: list[RegistryProcess], tmp_path: Path) -> None:
    registry = RegistryProcess(tmp_path / "logging", "--log-format", "json").start()
    started.append(registry)
    async with connect(registry.rpc) as client:
        await client.register(Key(), ATTRIBUTES)
    lines = [json.loads(line) for line in registry.log().splitlines()]
    assert lines
    assert all({"time", "level", "message"} <= set(line) for line in lines)
