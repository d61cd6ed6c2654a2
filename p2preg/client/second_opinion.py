"""Whether others see a node: its home may be cut off without knowing it, and then only a second registry can tell
(a node looks itself up once after each registration, and when its home says that it is isolated)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from p2preg.client.config import ClientConfig
from p2preg.client.connection import Connection, connect
from p2preg.client.errors import ClientError
from p2preg.client.replies import HeldNodes, read

FIRST_LOOK_SECONDS = 2.0  # a registration is everywhere within a fraction of that
LOOK_EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 20.0  # a registry that has not heard of us by then, and is synced, does not hear our home
SECONDS_FOR_ONE = 30.0


@dataclass(frozen=True, slots=True)
class Opinion:
    """`url`: who was asked, None when nobody could be. `seen`: it sees the node live at its home. `telling`: it is
    itself in touch with the network, so that not being seen there means something."""

    url: str | None
    seen: bool
    telling: bool


async def ask_others(
    node_id: str, home: str, urls: Sequence[str], patience: float, tls: ssl.SSLContext | None, config: ClientConfig
) -> Opinion:
    """Look `node_id` up at the first of `urls` that answers, until it is seen at `home` or patience is over."""
    for url in urls:
        try:
            with trio.fail_after(SECONDS_FOR_ONE):
                async with connect(url, tls=tls, config=config) as connection:
                    return await _ask(connection, node_id, home, patience)
        except (ClientError, trio.TooSlowError):
            continue
    return Opinion(None, seen=False, telling=False)


async def _ask(connection: Connection, node_id: str, home: str, patience: float) -> Opinion:
    params = {"node_ids": [node_id], "fields": ["home", "contact"]}
    end = trio.current_time() + patience
    while True:
        answer = read(await connection.call("nodes.get", params), HeldNodes, "nodes.get")
        if any(node.home == home and node.contact == "live" for node in answer.nodes):
            return Opinion(connection.target.url, seen=True, telling=True)
        if trio.current_time() >= end:
            telling = answer.freshness.synced and not answer.freshness.preserving
            return Opinion(connection.target.url, seen=False, telling=telling)
        await trio.sleep(LOOK_EVERY_SECONDS)
