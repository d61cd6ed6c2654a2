"""Those who report quality: honest ones say what they measured, liars the contrary. Each has a key of its own, which on
loopback makes it a vote of its own."""

from __future__ import annotations

from random import Random
from typing import Any

import trio

from p2preg.client.proving import Prover
from p2preg.client.session import open_session
from p2preg.crypto.keys import SEED_BYTES, IdentityKey

WINDOW_MS = 10_000
SAMPLES = 6

GOOD = {"round_trip_time_s": 0.04, "fraction_lost": 0.001, "bitrate_bps": 2_500_000}
BAD = {"round_trip_time_s": 0.45, "fraction_lost": 0.08, "bitrate_bps": 180_000}


def samples_of(quality: dict[str, float], rng: Random) -> list[dict[str, Any]]:
    """What `getStats` would have said of so good a connection, with the scatter of the real thing."""
    samples: list[dict[str, Any]] = []
    for number in range(SAMPLES):
        scatter = rng.uniform(0.85, 1.15)
        samples.append(
            {
                "kind": "video" if number % 2 else "audio",
                "roundTripTime": quality["round_trip_time_s"] * scatter,
                "fractionLost": quality["fraction_lost"] * scatter,
                "bitrate": round(quality["bitrate_bps"] * scatter),
                "jitter": 0.004 * scatter,
                "direction": "receive",
            }
        )
    return samples


async def report(url: str, about: dict[str, dict[str, float]], rng: Random) -> int:
    """One new reporter says at one registry how good each node is; how many samples were accepted."""
    accepted = 0
    async with open_session(url) as session:
        await session.authenticate(Prover(IdentityKey(rng.randbytes(SEED_BYTES))), "client")
        for node_id, quality in about.items():
            end_ms = session.now_ms()
            window = {"node_id": node_id, "start_ms": end_ms - WINDOW_MS, "end_ms": end_ms}
            result = await session.call("qos.report", {**window, "samples": samples_of(quality, rng)})
            accepted += result["accepted"]
    return accepted


async def report_all(urls: list[str], count: int, about: dict[str, dict[str, float]], rng: Random) -> int:
    """So many reporters, spread over the registries; how many samples were accepted of all."""
    accepted: list[int] = []

    async def one(url: str) -> None:
        accepted.append(await report(url, about, rng))

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, urls[number % len(urls)])
    return sum(accepted)
