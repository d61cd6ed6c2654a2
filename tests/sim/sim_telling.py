"""How a transcript puts what travels in a simulated world: names for ids, and of each message what matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.ids import short
from p2preg.broadcast.batch import batch_id_of, parse_batch
from p2preg.cells.cell import KIND_NAMES, LEASE, Cell, parse_cell, registry_key
from p2preg.cells.network import NetworkFile
from p2preg.wire import messages
from p2preg.wire.messages import Message, Range

SHARDS = 4096
CONTACTS = ("attached", "lost", "gone")  # of a lease, by its number
PARAMS = ("filter", "include", "node_ids", "level", "reason", "have", "count")  # of a call; the rest is left out
RESULTS = ("outcome", "state", "mode", "nodes", "candidates")  # of an answer, the same

TOPICS: dict[type[Message], str] = {
    **dict.fromkeys((messages.FindNode, messages.Nodes), "routing"),
    **dict.fromkeys((messages.Shuffle, messages.ShuffleReply), "shuffles"),
    **dict.fromkeys((messages.Join, messages.ForwardJoin, messages.Neighbor), "membership"),
    **dict.fromkeys((messages.NeighborReply, messages.DisconnectNeighbor), "membership"),
    **dict.fromkeys((messages.Gossip, messages.IHave, messages.Graft, messages.Prune), "spreading"),
}  # the rest is "sync"


@dataclass(slots=True)
class Words:
    """Remembers who is who, and which batch has which number, so that a later line can name it."""

    network: NetworkFile
    names: dict[bytes, str] = field(default_factory=dict)
    _batches: dict[bytes, str] = field(default_factory=dict)  # by batch id: origin#counter
    _empty: dict[bytes, None] = field(default_factory=dict)  # ids of batches that say no more than "I am here"

    def name(self, identity: bytes) -> str:
        return self.names.get(identity, short(identity))

    def named(self, identities: Iterable[bytes]) -> str:
        return ", ".join(map(self.name, identities)) or "nothing"

    def with_names(self, text: str) -> str:
        """`text` with names in place of ids, short ones too."""
        for identity, name in self.names.items():
            text = text.replace(identity.hex(), name).replace(short(identity), name)
        return text

    # --- between registries -----------------------------------------------------------------------------------

    def topic(self, message: Message) -> str:
        """By which word of `tell` the message is asked for."""
        return "heartbeats" if self._is_heartbeat(message) else TOPICS.get(type(message), "sync")

    def learn(self, message: Message) -> None:
        """Take note of a batch that is sent, whether or not it will arrive."""
        if isinstance(message, messages.Gossip):
            try:
                batch = parse_batch(message.batch, self.network.network)
            except RemoteProtocolError:
                return
            self._batches[batch.batch_id] = f"{self.name(batch.origin)}#{batch.counter}"
            own = registry_key(batch.origin)
            cells = [parse_cell(raw, self.network) for raw in batch.cells]
            if batch.interval_ms and not batch.pages and all(cell.key == own for cell in cells):
                self._empty[batch.batch_id] = None

    def _is_heartbeat(self, message: Message) -> bool:
        """Whether it carries, announces or asks for nothing but heartbeats."""
        match message:
            case messages.Gossip(raw):
                return batch_id_of(raw) in self._empty
            case messages.IHave(announcements):
                return all(each.batch_id in self._empty for each in announcements)
            case messages.Graft(batch_ids, _):
                return bool(batch_ids) and all(batch_id in self._empty for batch_id in batch_ids)
            case _:
                return False

    def message(self, message: Message) -> str:
        """Its name and the fields that matter."""
        said = self._fields(message)
        return f"{type(message).__name__} {said}".rstrip()

    def _fields(self, message: Message) -> str:
        match message:
            case messages.Gossip(raw):
                return self._batch(raw)
            case messages.IHave(announcements):
                return ", ".join(f"{self.name(each.origin)}#{each.counter}" for each in announcements)
            case messages.Graft(batch_ids, origins):
                return f"{', '.join(map(self._batch_named, batch_ids)) or 'nothing'} of {self.named(origins)}"
            case messages.Prune(origins):
                return self.named(origins)
            case messages.ForwardJoin(cell, ttl):
                return f"{self._cells([cell])}, {ttl} steps left"
            case messages.Neighbor(priority):
                return ("", "(it has no other)", "(ring)")[priority]
            case messages.NeighborReply(accepted):
                return "yes" if accepted else "no"
            case messages.FindNode(_, target):
                return f"near {short(target)}"
            case messages.Fingerprints(_, fingerprints):
                cells = sum(each.count for each in fingerprints)
                return f"of {_counted(cells, 'cell')} in {_counted(len(fingerprints), 'range')}"
            case messages.Elements(_, elements, _):
                return f"{len(elements)}"
            case messages.AskCells(_, kind, elements):
                return f"{len(elements)} {KIND_NAMES[kind]}"
            case messages.SyncRefused(_, reason):
                return reason
            case messages.AskFingerprints(_, _, kind, ranges) | messages.AskElements(_, _, kind, ranges, _):
                return f"{KIND_NAMES[kind]}, {_where(ranges)}"
            case messages.AskStream(_, _, kind, shard, _):
                return f"{KIND_NAMES[kind]}, from shard {shard}"
        return self._cells(getattr(message, "cells", []))

    def _batch(self, raw: bytes) -> str:
        try:
            batch = parse_batch(raw, self.network.network)
        except RemoteProtocolError:
            return "of no meaning"
        pages = [f"{('load', 'quality')[page.kind - 1]} of {self.name(page.subject)}" for page in batch.pages]
        said = ", ".join(filter(None, (self._cells(batch.cells), *pages)))
        if not batch.interval_ms:
            said = ", ".join(filter(None, (said, "farewell")))
        return f"{self.name(batch.origin)}#{batch.counter}: {said or 'nothing new'}"

    def _batch_named(self, batch_id: bytes) -> str:
        return self._batches.get(batch_id, batch_id.hex()[:8])

    def _cells(self, raws: Iterable[bytes]) -> str:
        return ", ".join(self._cell(parse_cell(raw, self.network)) for raw in raws)

    def _cell(self, cell: Cell) -> str:
        said = f"{KIND_NAMES[cell.kind]} {self.name(cell.subject)}"
        if cell.kind == LEASE:
            said += f" at {self.name(cell.writer)} {CONTACTS[cell.body['contact']]}"
            if cell.body["state"] != "serving":
                said += f" {cell.body['state']}"
        return said

    # --- between clients and registries -----------------------------------------------------------------------

    def call(self, method: str, params: Mapping[str, Any]) -> str:
        return " ".join((method, *self._chosen(params, PARAMS)))

    def answer(self, method: str, result: Any) -> str:
        told = msgspec.to_builtins(result)
        chosen = self._chosen(told, RESULTS) if isinstance(told, dict) else []
        return f"{method}: {' '.join(chosen) or 'granted'}"

    def notice(self, params: Mapping[str, Any]) -> str:
        """A notification that is not of a subscription."""
        elsewhere = self.named(bytes.fromhex(other["registry_id"]) for other in params["registries"])
        return f"{params['reason']}, other homes: {elsewhere}"

    def events(self, params: Mapping[str, Any]) -> str:
        """The notification of a subscription."""
        return ", ".join(map(self._event, params["events"]))

    def _event(self, event: Mapping[str, Any]) -> str:
        if event["type"] in ("synced", "digest"):
            return f"{event['type']} ({event['count']} held)"
        subject = f" {self._value(event['node_id'])}" if "node_id" in event else ""
        why = f" ({event['reason']})" if "reason" in event else ""
        return f"{event['type']}{subject}{why}"

    def _chosen(self, values: Mapping[str, Any], names: Iterable[str]) -> list[str]:
        return [f"{name}={self._value(values[name])}" for name in names if name in values]

    def _value(self, value: Any) -> str:
        match value:
            case str():
                return self.with_names(value)
            case {"node": node}:
                return self._value(node)
            case {"node_id": str(node_id), "contact": str(contact)}:
                return f"{self.with_names(node_id)} {contact}"
            case {"count": count, "digest": _}:
                return f"{count} nodes"
            case dict():
                return self.with_names(", ".join(f"{name} {self._value(inner)}" for name, inner in value.items()))
            case list():
                return f"[{', '.join(map(self._value, value))}]"
        return str(value)


def _where(ranges: list[Range]) -> str:
    return "all shards" if ranges == [Range(0, SHARDS)] else _counted(len(ranges), "range")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
