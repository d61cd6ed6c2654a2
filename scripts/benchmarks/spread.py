"""What five registries see of each other: how soon, how much, and when a node crashes."""

from __future__ import annotations

import os
import signal
import time

from scripts.benchmarks import machine, peers
from scripts.benchmarks.client import Client, register_call, request, wait_any
from scripts.benchmarks.media_nodes import descriptions, keys
from scripts.benchmarks.network import register, until_linked, until_live
from scripts.benchmarks.registries import Registry, registries
from scripts.benchmarks.scale import Scale
from scripts.benchmarks.table import Table, percentile

REGISTRIES = 5
SILENT_SECONDS_MAX = 30.0
EVENT_SECONDS_MAX = 30.0


def run(scale: Scale) -> Table:
    table = Table("spread", f"{REGISTRIES} registries on one machine")
    with registries(REGISTRIES) as found:
        until_linked(found)
        _idle(table, found, scale)
        _watch(table, found, scale)
        _crash(table, found, scale)
        held = _registrations(table, found, scale)
        _changes(table, found, scale, held)
    return table


def _idle(table: Table, found: list[Registry], scale: Scale) -> None:
    pids = [registry.pid for registry in found]
    before, began = machine.cpu_seconds(pids), time.perf_counter()
    time.sleep(scale.idle_seconds)
    used = (machine.cpu_seconds(pids) - before) / (time.perf_counter() - began)
    table.add("CPU of all at rest, % of a core", 100 * used, "", peers.IDLE_CPU)


def _watcher(registry: Registry) -> Client:
    """A subscriber to everything, past its `synced`."""
    client = Client(registry.rpc)
    client.call("nodes.subscribe", max_rate_ms=0)
    while not any(event["type"] == "synced" for _, params in client.notifications for event in params["events"]):
        client.receive()
    client.notifications.clear()
    return client


def _event(client: Client, node_id: str, kind: str) -> tuple[float, str]:
    """When the event about this node came, and its reason."""
    end = time.perf_counter() + EVENT_SECONDS_MAX
    while time.perf_counter() < end:
        while client.notifications:
            at, params = client.notifications.popleft()
            for event in params["events"]:
                if event.get("node_id") == node_id and event["type"] == kind:
                    return at, event["reason"]
        for ready in wait_any([client], 1.0):
            ready.receive()
    raise TimeoutError(f"no {kind} of {node_id} within {EVENT_SECONDS_MAX:.0f} s")


def _watch(table: Table, found: list[Registry], scale: Scale) -> None:
    watcher = _watcher(found[-1])
    home = Client(found[0].rpc).greet()
    fresh = keys(scale.samples, 31)
    home.authenticate(fresh)
    described = descriptions(scale.samples, 31)
    after_answer, after_sending = [], []
    for number, key in enumerate(fresh):
        sent = time.perf_counter()
        home.send([register_call(number, key, described[number])])
        while not home.receive():
            pass
        answered = time.perf_counter()
        came, _ = _event(watcher, key.id, "enter")
        after_answer.append(1000 * (came - answered))
        after_sending.append(1000 * (came - sent))
        time.sleep(0.12)  # each alone: what comes within 100 ms of the last batch waits for the next
    table.add(
        "registration answered -> event at another registry, p50 ms", percentile(after_answer, 0.5), "≤ 10", peers.WATCH
    )
    table.add("- p99 ms", percentile(after_answer, 0.99), "≤ 50")
    table.add("- from sending, p50 ms", percentile(after_sending, 0.5))
    home.close()
    watcher.close()


def _crash(table: Table, found: list[Registry], scale: Scale) -> None:
    watcher = _watcher(found[-1])
    closed = []
    for repeat in range(3 * scale.repeats):
        [key] = keys(1, 50 + repeat)
        client = Client(found[0].rpc).greet()
        client.authenticate([key])
        register(client, [key], descriptions(1))
        _event(watcher, key.id, "enter")
        began = time.perf_counter()
        client.close()
        closed.append(_event(watcher, key.id, "leave")[0] - began)
    table.add("socket closed -> out of the answers elsewhere, s", closed, "≤ 0.5", peers.CRASH)
    table.add("client silent -> out of the answers elsewhere, s", _silence(watcher, found[0]), "≤ 12")
    table.add("registry killed -> its nodes out of the answers, s", _registry_killed(watcher, found), "", "serf 6.6")
    watcher.close()


def _silence(watcher: Client, home: Registry) -> float:
    """The client's process stands still, its socket stays open: no pong comes."""
    [key] = keys(1, 77)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        client = Client(home.rpc).greet()
        client.authenticate([key])
        register(client, [key], descriptions(1))
        os.write(theirs, b".")
        while True:
            client.receive()
    os.read(ours, 1)
    _event(watcher, key.id, "enter")
    os.kill(child, signal.SIGSTOP)
    began = time.perf_counter()
    came, _ = _event(watcher, key.id, "leave")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ours)
    os.close(theirs)
    return came - began


def _registry_killed(watcher: Client, found: list[Registry]) -> float:
    """kill -9 of a home; it is started again afterwards."""
    home = found[1]
    [key] = keys(1, 78)
    client = Client(home.rpc).greet()
    client.authenticate([key])
    register(client, [key], descriptions(1))
    _event(watcher, key.id, "enter")
    began = time.perf_counter()
    home.kill()
    came, _ = _event(watcher, key.id, "leave")
    client.close()
    home.start([found[0].peer])
    until_linked(found)
    return came - began


def _registrations(table: Table, found: list[Registry], scale: Scale) -> Client:
    """From the first new registration until all five registries show all of them."""
    client = Client(found[0].rpc).greet()
    count = scale.calls
    fresh = keys(count, 91)
    client.authenticate(fresh)
    looker = Client(found[-1].rpc)
    before = looker.call("nodes.list", limit=1, include="live")["total"]
    looker.close()
    began = time.perf_counter()
    register(client, fresh, descriptions(count, 91))
    answered = time.perf_counter() - began
    until_live(found, before + count)
    table.add(
        f"new registrations/s until all {REGISTRIES} show them",
        count / (time.perf_counter() - began),
        "≥ 600",
        peers.SPREAD_ALL,
    )
    table.add("- the same, until answered", count / answered)
    return client


def _changes(table: Table, found: list[Registry], scale: Scale, client: Client) -> None:
    """Loads of all the nodes, until the last of them shows at all registries."""
    known = keys(scale.calls, 91)
    calls = [request(0, "node.load", {"node_id": key.id, "load": 0.25}) for key in known]
    lookers = [Client(registry.rpc) for registry in found]
    query = {"and": [{"le": ["load", 0.3]}]}
    began = time.perf_counter()
    client.pipeline(calls, 64)
    deadline = began + 60
    shown = [0] * len(lookers)
    while min(shown) < len(calls) and time.perf_counter() < deadline:
        shown = [looker.call("nodes.list", filter=query, limit=1, include="all")["total"] for looker in lookers]
        time.sleep(0.01)
    rate = min(shown) / (time.perf_counter() - began)
    table.add(f"load changes/s until all {REGISTRIES} show them", rate, "≥ 1 500", peers.CHANGES_ALL)
    table.notes.append(f"of {len(calls):,} load changes the registry that got least shows {min(shown):,}")
    for looker in lookers:
        looker.close()
    client.close()
