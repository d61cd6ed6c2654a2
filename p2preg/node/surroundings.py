"""What the node can say of itself and its peers to clients: the answers behind `registry.info` and `registry.peers`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import UNSET

from p2preg.base.ids import short
from p2preg.base.limits import CELL_TEXT_MAX
from p2preg.node.own_cell import endpoint_of, text_of
from p2preg.registry import results

if TYPE_CHECKING:
    from p2preg.cells.cell import Cell
    from p2preg.node.core import NodeCore

FAILOVER_MAX = 8  # registries named to a client that may have to move


class Outside(Protocol):
    """What only the driver knows."""

    def round_trip_time_s(self, peer: bytes) -> float | None: ...
    def store_bytes(self) -> int: ...


class NodeSurroundings:
    """Reads the node's cores; changes nothing."""

    def __init__(self, node: NodeCore, outside: Outside) -> None:
        self._node = node
        self._outside = outside

    def synced(self, now: float) -> bool:
        return self._node.synced(now)

    def failover(self) -> list[results.Failover]:
        """Other registries with an RPC address, those heard now first."""
        homes, now = self._node.registry.homes, self._node.now
        named = [(cell, text_of(cell, "rpc")) for cell in self._others()]
        ordered = sorted(named, key=lambda pair: not homes.heard(pair[0].writer, now))
        return [
            results.Failover(registry_id=cell.writer.hex(), rpc=rpc) for cell, rpc in ordered[:FAILOVER_MAX] if rpc
        ]

    def peers(self, now: float) -> list[results.Peer]:
        return [self._peer(cell, now) for cell in self._others()]

    def _peer(self, cell: Cell, now: float) -> results.Peer:
        node, peer = self._node, cell.writer
        outbound = node.is_outbound(peer)
        round_trip = self._outside.round_trip_time_s(peer)
        age = node.registry.homes.heartbeat_age(peer, now)
        software = cell.body.get("software")
        version = software.get("version") if isinstance(software, dict) else None
        return results.Peer(
            registry_id=peer.hex(),
            endpoint=endpoint_of(cell) or "",
            rpc=text_of(cell, "rpc"),
            role=node.overlay.role(peer),
            direction=UNSET if outbound is None else "outbound" if outbound else "inbound",
            round_trip_time_s=UNSET if round_trip is None else round_trip,
            heartbeat_age_s=UNSET if age is None else round(age, 3),
            region=text_of(cell, "region") or UNSET,
            version=version if isinstance(version, str) and len(version) <= CELL_TEXT_MAX else UNSET,
        )

    def _others(self) -> list[Cell]:
        return [cell for cell in self._node.held.registries() if cell.writer != self._node.own_id]

    def peer_counts(self) -> results.PeerCounts:
        node = self._node
        return results.PeerCounts(
            routing_table=len(node.dht.contacts()),
            active=len(node.overlay.neighbours),
            passive=len(node.overlay.passive),
        )

    def cell_count(self) -> int:
        held = self._node.held.statistics()
        return held.registries + held.leases + held.adverts

    def store_bytes(self) -> int:
        return self._outside.store_bytes()

    def statistics(self) -> dict[str, Any]:
        node = self._node
        return {
            "broadcast": asdict(node.broadcast.statistics()),
            "reconcile": asdict(node.reconcile.statistics()),
            "dht": asdict(node.dht.statistics()),
            "overlay": asdict(node.overlay.statistics()),
            "cells": asdict(node.held.statistics()),
            "trees": {
                short(cell.writer): [short(peer) for peer in node.broadcast.eager(cell.writer)]
                for cell in list(node.held.registries())[:64]
            },
        }
