"""The Orchestrator: two watchers of the SDK at one registry, one of everything and one of a standing question, and what
they are told in words."""

from __future__ import annotations

from typing import Any

import trio

from p2preg.client import Watcher, WatchEvent
from p2preg.client.view import Node
from p2preg.demo.observer import NO_GOODBYE
from p2preg.demo.opening import QUERY
from p2preg.demo.stage import Stage
from p2preg.index.text import parse_text

FIELDS = ("kind", "region", "city", "state", "contact", "home")


async def watch(stage: Stage) -> None:
    """Until cancelled. The first registry is the Orchestrator's own, the others follow when it goes away."""
    stage.scene.query = QUERY
    urls = [stage.url(stage.desk), *(stage.url(number) for number in range(stage.desk))]
    stage.watcher = Watcher(urls, include="all", fields=FIELDS, max_rate_ms=0, config=NO_GOODBYE)
    standing = Watcher(urls, filter=parse_text(QUERY), fields=("city", "load"), config=NO_GOODBYE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.watcher.run)
        nursery.start_soon(standing.run)
        nursery.start_soon(_tell_all, stage, stage.watcher)
        nursery.start_soon(_tell_matches, stage, standing)


async def _tell_all(stage: Stage, watcher: Watcher) -> None:
    known: dict[str, Node] = {}
    async for event in watcher.events():
        if event.node_id is not None and event.node is not None:
            before = known.get(event.node_id)
            known[event.node_id] = event.node
            text = describe(event.node, before, stage.scene.registry_name(event.node["home"]))
            stage.scene.tell(stage.clock(), event.type, f"{event.node_id[:8]} {text}")
        else:
            where = next((row.name for row in stage.scene.registries if row.rpc == watcher.url), "no registry")
            stage.scene.tell(stage.clock(), event.type, f"at {where}, {len(watcher.nodes)} nodes held")
        stage.pulse.beat()


def describe(node: Node, before: Node | None, home: str) -> str:
    """What is new about a node, in a few words."""
    place = f"{node['city']}, "
    if before is None:
        return f"{place}{node['kind']} at {home}"
    changes = [f"{before[name]} → {node[name]}" for name in ("state", "contact") if before[name] != node[name]]
    if before["home"] != node["home"]:
        changes.append(f"moved to {home}")
    return place + (", ".join(changes) or "described anew")


async def _tell_matches(stage: Stage, standing: Watcher) -> None:
    async for event in standing.events():
        if event.type in ("enter", "leave") and event.node_id is not None and event.node is not None:
            stage.scene.tell(stage.clock(), "query", f"{event.node_id[:8]} {match_text(event)}")


def match_text(event: WatchEvent) -> str:
    """How a node began or ceased to match the standing question."""
    node: dict[str, Any] = dict(event.node or {})
    load = node.get("load", {}).get("load")
    said = "" if load is None else f", load {load:.2f}"
    return f"{node.get('city', '')}{said}: {'fits' if event.type == 'enter' else 'fits no more'}"
