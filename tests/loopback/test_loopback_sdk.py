"""The SDK and `p2preg register` against registries that are killed, stopped and started again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from registry_process import ROOT, RegistryProcess, registries

from p2preg.client import Displaced, MediaNode, NodeEvent, Watcher, connect
from p2preg.crypto.keys import IdentityKey

PATIENT = 40.0


def attributes(region: str) -> dict[str, Any]:
    return {
        "kind": "sfu",
        "region": region,
        "endpoints": [{"purpose": "signalling", "url": "wss://sfu.example/ws"}],
        "codecs": ["audio/opus", "video/VP8"],
        "latitude": 52.3676,
        "longitude": 4.9041,
    }


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[RegistryProcess]]:
    """Two linked registries that this test may hurt."""
    with registries(tmp_path, 2) as found:
        yield found


def new_key() -> IdentityKey:
    return IdentityKey(os.urandom(32))


async def until_state(watcher: Watcher, node_id: str, state: str | None) -> None:
    """Until the watcher holds the node in that state; None: until it does not hold it."""
    with trio.fail_after(PATIENT):
        async for _ in watcher.events():
            node = watcher.nodes.get(node_id)
            if (node["state"] if node else None) == state:
                return


@pytest.mark.parametrize("signed", [True, False])
async def test_a_node_of_the_sdk_is_seen_by_a_watcher_elsewhere_from_its_coming_to_its_going(
    three: list[RegistryProcess], region: str, signed: bool
) -> None:
    watching = Watcher([three[1].rpc], filter={"eq": ["region", region]}, include="live", max_rate_ms=0)
    async with watching as watcher:
        with trio.fail_after(PATIENT):
            await watcher.wait_synced()
        async with MediaNode(new_key(), attributes(region), registries=[three[0].rpc], signed=signed) as node:
            await until_state(watcher, node.node_id, "serving")
            await node.wait_attached()  # an event elsewhere may be faster than our reply
            assert watcher.nodes[node.node_id]["attested_by"] == ("node" if signed else "registry")
            assert watcher.nodes[node.node_id]["home"] == node.registry_id == three[0].registry_id
            assert await node.drain("cordoned", reason="upgrade") == "cordoned"
            await until_state(watcher, node.node_id, "cordoned")
            assert await node.resume() == "serving"
            await until_state(watcher, node.node_id, "serving")
        await until_state(watcher, node.node_id, None)


async def test_load_that_a_node_tells_is_followed_by_who_asked_for_it(
    three: list[RegistryProcess], region: str
) -> None:
    watching = Watcher([three[2].rpc], filter={"eq": ["region", region]}, fields=["load"])
    async with watching as watcher, MediaNode(new_key(), attributes(region), registries=[three[0].rpc]) as node:
        await node.wait_attached()
        await node.set_load({"load": 0.25, "participants": 7})
        with trio.fail_after(PATIENT):
            async for event in watcher.events():
                if event.node and event.node.get("load", {}).get("load") == 0.25:
                    break


async def test_a_second_registry_confirms_a_registration(three: list[RegistryProcess], region: str) -> None:
    events: list[NodeEvent] = []
    confirmed = trio.Event()

    def note(event: NodeEvent) -> None:
        events.append(event)
        if event.kind == "confirmed":
            confirmed.set()

    node = MediaNode(new_key(), attributes(region), registries=[registry.rpc for registry in three], on_event=note)
    async with node:
        with trio.fail_after(PATIENT):
            await confirmed.wait()
    assert [event.kind for event in events] == ["connecting", "created", "confirmed", "left"]


async def test_of_two_processes_with_one_key_the_earlier_one_stops(three: list[RegistryProcess], region: str) -> None:
    key = new_key()
    with trio.fail_after(PATIENT), pytest.raises(Displaced):
        async with MediaNode(key, attributes(region), registries=[three[0].rpc]) as earlier:
            await earlier.wait_attached()
            async with MediaNode(key, attributes(region), registries=[three[1].rpc]) as later:
                await later.wait_attached()
                await trio.sleep_forever()


@pytest.mark.parametrize("end", ["kill", "stop"])
@pytest.mark.parametrize("signed", [True, False])
async def test_node_and_watcher_outlive_the_registry_that_they_were_at(
    two: list[RegistryProcess], region: str, end: str, signed: bool
) -> None:
    urls = [registry.rpc for registry in two]
    watching = Watcher(urls, filter={"eq": ["region", region]}, include="live")
    async with watching as watcher, MediaNode(new_key(), attributes(region), registries=urls, signed=signed) as node:
        await until_state(watcher, node.node_id, "serving")
        await node.drain(reason="upgrade")
        await until_state(watcher, node.node_id, "draining")
        await trio.to_thread.run_sync(getattr(two[0], end))
        with trio.fail_after(PATIENT):
            while node.registry_id != two[1].registry_id:
                await trio.testing.wait_all_tasks_blocked(0.05)
            await watcher.wait_synced()
        assert watcher.url == urls[1]
        await until_state(watcher, node.node_id, "draining")
        async with connect(urls[1]) as connection:  # a change of home alone is no update of the subscription
            [seen] = (await connection.call("nodes.get", {"node_ids": [node.node_id]}))["nodes"]
        assert seen["home"] == two[1].registry_id
        assert await node.resume() == "serving"
        await until_state(watcher, node.node_id, "serving")


async def test_a_frozen_registry_is_left(two: list[RegistryProcess], region: str) -> None:
    urls = [registry.rpc for registry in two]
    async with MediaNode(new_key(), attributes(region), registries=urls) as node:
        await node.wait_attached()
        two[0].freeze()
        try:
            with trio.fail_after(PATIENT):
                while node.registry_id != two[1].registry_id:
                    await trio.testing.wait_all_tasks_blocked(0.05)
        finally:
            two[0].thaw()


# --- p2preg register ----------------------------------------------------------------------------------------------


class Registering:
    """`p2preg register` as a process whose facts are read as JSON."""

    def __init__(self, directory: Path, region: str, urls: list[str], *more: str) -> None:
        self.key, described = directory / "node.pem", directory / "node.json"
        if not self.key.exists():
            p2preg("keygen", str(self.key))
            described.write_text(json.dumps(attributes(region)))
        rpc = [word for url in urls for word in ("--rpc", url)]
        words = ["register", "--key", str(self.key), "--attributes", str(described), "--json", *rpc, *more]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "p2preg", *words], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> "Registering":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, event: str) -> dict[str, Any]:
        """Read facts until one of that kind."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            fact: dict[str, Any] = json.loads(line)
            if fact["event"] == event:
                return fact
        raise AssertionError(f"no {event}: {self.process.communicate()[1]}")

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENT)


def p2preg(*words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "p2preg", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout) if "--json" in words else done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_registration_is_kept_up_by_the_command_and_ends_cleanly(
    three: list[RegistryProcess], region: str, tmp_path: Path, number: int
) -> None:
    with Registering(tmp_path, region, [three[0].rpc], "--load", "-") as registering:
        assert registering.until("created")["registry_id"] == three[0].registry_id
        registering.say('{"load": 0.5}')
        registering.say("nonsense")
        registering.say('{"state": "cordoned"}')
        assert registering.until("declared")["detail"] == "cordoned"
        [node] = p2preg("list", f"region={region}", "--include", "live", "--json", "--rpc", three[0].rpc)["nodes"]
        assert (node["state"], node["load"]["load"]) == ("cordoned", 0.5)
        assert registering.stop(number) == 0
        assert registering.until("left")["rpc"] == three[0].rpc
        assert p2preg("list", f"region={region}", "--include", "live", "--json", "--rpc", three[0].rpc)["nodes"] == []


def test_the_command_fails_over_in_order(two: list[RegistryProcess], region: str, tmp_path: Path) -> None:
    with Registering(tmp_path, region, ["ws://127.0.0.1:1/", *(each.rpc for each in two)]) as registering:
        assert registering.until("created")["registry_id"] == two[0].registry_id
        two[0].kill()
        assert registering.until("renewed")["registry_id"] == two[1].registry_id
        assert registering.stop(signal.SIGTERM) == 0


def test_a_second_command_with_the_same_key_ends_the_first_with_its_own_code(
    three: list[RegistryProcess], region: str, tmp_path: Path
) -> None:
    with Registering(tmp_path, region, [three[0].rpc]) as earlier:
        earlier.until("created")
        with Registering(tmp_path, region, [three[1].rpc]) as later:
            later.until("unchanged")
            assert earlier.process.wait(PATIENT) == 4


async def test_a_batch_is_the_fast_path(three: list[RegistryProcess]) -> None:
    async with connect(three[0].rpc) as connection:
        answers = await connection.batch([("rpc.ping", {})] * 100)
    assert all("time_ms" in answer for answer in answers)
