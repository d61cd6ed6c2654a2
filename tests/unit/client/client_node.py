"""A Media Node for tests: made, attached, and what it told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import trio
from client_registry import PATIENT, FakeRegistry, Refusal, Visitor

from p2preg.client import MediaNode, NodeEvent
from p2preg.crypto.keys import IdentityKey

BOB = IdentityKey(b"bob".ljust(32, b"."))
ATTRIBUTES: dict[str, Any] = {
    "kind": "sfu",
    "endpoints": [{"purpose": "signalling", "url": "wss://sfu.example/ws"}],
    "codecs": ["audio/opus"],
}


def make_node(*registries: FakeRegistry, **options: Any) -> tuple[MediaNode, list[NodeEvent]]:
    events: list[NodeEvent] = []
    urls = [registry.url for registry in registries]
    node = MediaNode(BOB, ATTRIBUTES, registries=urls, on_event=events.append, rng=Random(1), **options)
    return node, events


@asynccontextmanager
async def attached(*registries: FakeRegistry, **options: Any) -> AsyncIterator[tuple[MediaNode, list[NodeEvent]]]:
    node, events = make_node(*registries, **options)
    async with node:
        with trio.fail_after(PATIENT):
            await node.wait_attached()
        yield node, events


def kinds(events: list[NodeEvent]) -> list[str]:
    return [event.kind for event in events]


def sees(node: MediaNode, home: FakeRegistry, contact: str = "live") -> list[dict[str, Any]]:
    return [{"node_id": node.node_id, "version": "0" * 32, "home": home.registry_id, "contact": contact}]


def refuse(code: int, reason: str, *, times: int = 10**9, **data: Any) -> Any:
    """A handler that refuses so many times; then it hands over to the usual one."""
    left = [times]

    def handler(params: Any, visitor: Visitor, usual: Any = None) -> Any:
        left[0] -= 1
        if left[0] < 0:
            return usual(params, visitor)
        raise Refusal(code, reason, **data)

    return handler
