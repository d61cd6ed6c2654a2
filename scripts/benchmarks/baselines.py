"""Limits and naive ways, measured in the same run: what the machine allows, whatever a registry does."""

from __future__ import annotations

import multiprocessing.connection
import tempfile
import time
from collections.abc import Callable

import lmdb
import trio
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

SECONDS = 0.5  # for each
MESSAGE = bytes(400)


def per_second(work: Callable[[], object], each: int = 1) -> float:
    """How often `work`, which counts for `each`, can be done in a second."""
    began = time.perf_counter()
    done = 0
    while time.perf_counter() - began < SECONDS:
        work()
        done += each
    return done / (time.perf_counter() - began)


def signatures_per_second() -> float:
    _, secret = crypto_sign_seed_keypair(bytes(32))
    return per_second(lambda: crypto_sign(MESSAGE, secret))


def verifications_per_second() -> float:
    public, secret = crypto_sign_seed_keypair(bytes(32))
    signed = crypto_sign(MESSAGE, secret)
    return per_second(lambda: crypto_sign_open(signed, public))


def lmdb_puts_per_second(group: int) -> float:
    """Durable puts of 400 bytes, so many to a commit, by one writer."""
    with tempfile.TemporaryDirectory(prefix="p2preg-bench-") as directory:
        environment = lmdb.open(directory, map_size=1 << 30)
        keys = iter(range(1 << 40))

        def commit() -> None:
            with environment.begin(write=True) as transaction:
                for _ in range(group):
                    transaction.put(next(keys).to_bytes(8), MESSAGE)

        rate = per_second(commit, group)
        environment.close()
        return rate


# --- an echo over TCP, with nothing in between ------------------------------------------------------------------


def echoes_per_second(in_flight: int) -> float:
    """A plain Trio TCP server in a process of its own echoes 400 bytes; one connection."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_echo, args=(theirs,), daemon=True)
    process.start()
    port = ours.recv()
    try:
        return trio.run(_echo_client, port, in_flight)
    finally:
        process.terminate()
        process.join()


def _serve_echo(pipe: multiprocessing.connection.Connection) -> None:
    async def serve() -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        pipe.send(listener.socket.getsockname()[1])
        await trio.serve_listeners(_echo, [listener])

    trio.run(serve)


async def _echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def _echo_client(port: int, in_flight: int) -> float:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    began, got = time.perf_counter(), 0
    await stream.send_all(MESSAGE * in_flight)
    while time.perf_counter() - began < SECONDS:
        data = await stream.receive_some(262_144)
        got += len(data)
        await stream.send_all(bytes(len(data)))
    await stream.aclose()
    return got / len(MESSAGE) / (time.perf_counter() - began)
