"""The directory: one entry for each Media Node with a held lease and a readable description, and the index over them.

An entry is computed from the held cells, the liveness of its home, its load page and its QoS view, and from nothing
else, so registries that see the same show the same, down to the version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

import msgspec

from p2preg.base.errors import RemoteProtocolError
from p2preg.cells.cell import Cell
from p2preg.cells.held import HeldCells
from p2preg.cells.lease import LeaseBody
from p2preg.index.index import Index
from p2preg.qos.view import QosView
from p2preg.registry.attributes import fields_of, known_of, shown_of
from p2preg.registry.contact import LIVE, Contact, derive_contact, is_allocatable
from p2preg.registry.homes import Homes
from p2preg.registry.load import LoadPage, shown_load
from p2preg.registry.states import STOPPED
from p2preg.registry.units import from_micro
from p2preg.wire import cbor

AttestedBy = Literal["node", "registry"]
DRAINED = ("cordoned", "draining", "stopping")


@dataclass(frozen=True, slots=True)
class Entry:
    """One Media Node as this registry sees it. `shown`: what clients read, as JSON, but for load, QoS and ages: it is
    encoded once and sent as often as anybody asks."""

    node_id: bytes
    version: bytes
    attested_by: AttestedBy
    state: str
    home: bytes
    contact: Contact
    advert: Cell
    lease: LeaseBody
    lease_end_ms: int
    shown: bytes
    load: LoadPage | None
    qos: QosView | None

    @property
    def allocatable(self) -> bool:
        return is_allocatable(self.state, self.contact)


@dataclass(frozen=True, slots=True)
class Change:
    """An entry before and after; None: there was, or is, none."""

    node_id: bytes
    old: Entry | None
    new: Entry | None

    @property
    def only_measurements(self) -> bool:
        """Whether nothing but load or QoS differs: no update for whoever did not ask for them."""
        return self.old is not None and self.new is not None and self.old.version == self.new.version


class Directory:
    """All entries. Bounded by the held leases."""

    def __init__(self, held: HeldCells, homes: Homes, qos_of: Callable[[bytes], QosView | None]) -> None:
        self._held = held
        self._homes = homes
        self._qos_of = qos_of
        self._entries: dict[bytes, Entry] = {}
        self._loads: dict[bytes, LoadPage] = {}  # in the order of their receipt
        self.index = Index()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, node_id: bytes) -> Entry | None:
        return self._entries.get(node_id)

    def homed_at(self, home: bytes) -> list[bytes]:
        """The nodes whose current lease is `home`'s."""
        return [node_id for node_id, entry in self._entries.items() if entry.home == home]

    def put_load(self, node_id: bytes, page: LoadPage) -> bool:
        """Keep a load page if it is newer than what its home said before, and the home is the node's current one."""
        entry = self._entries.get(node_id)
        if entry is None or entry.home != page.home:
            return False
        known = self._loads.get(node_id)
        if known is not None and known.home == page.home and known.order >= page.order:
            return False
        self._loads.pop(node_id, None)
        self._loads[node_id] = page
        return True

    def ended_loads(self, before: float) -> list[bytes]:
        """Forget load pages received before `before`; the nodes whose load is no longer known."""
        ended = list(takewhile(lambda node_id: self._loads[node_id].received < before, self._loads))
        for node_id in ended:
            del self._loads[node_id]
        return ended

    def refresh(self, node_id: bytes, now: float) -> Change | None:
        """Compute the node's entry anew; None when nothing changed."""
        old = self._entries.get(node_id)
        new = self._compute(node_id, old, now)
        if new is None:
            if old is None:
                return None
            del self._entries[node_id]
            self._loads.pop(node_id, None)
            self.index.remove(node_id)
            return Change(node_id, old, None)
        if old is not None and _same(old, new):
            # The lease may have been renewed: no change that a client could see.
            self._entries[node_id] = new
            return None
        self._entries[node_id] = new
        if old is not None and old.advert.hash == new.advert.hash:
            self.index.update(node_id, _moving_fields(new))
        else:
            self.index.put(node_id, {**fields_of(known_of(new.advert.body) or {}), **_moving_fields(new)})
        return Change(node_id, old, new)

    def _compute(self, node_id: bytes, old: Entry | None, now: float) -> Entry | None:
        lease_cell, advert = self._held.current(node_id)
        if lease_cell is None or advert is None:
            return None
        same_advert = old is not None and old.advert.hash == advert.hash
        try:
            lease = LeaseBody.from_map(lease_cell.body, lease_cell.proof)
        except RemoteProtocolError:
            return None  # relayed, but nothing that could be shown
        home = lease_cell.writer
        contact = derive_contact(
            lease,
            home_heard=self._homes.counts_as_heard(home),
            home_epoch=self._homes.epoch(home),
            keep_live=self._homes.preserving and old is not None and old.contact == LIVE,
        )
        if lease.state == STOPPED:
            self._loads.pop(node_id, None)  # should it come back, it is another run of it
        load = self._loads.get(node_id)
        if load is not None and load.home != home:
            load = None  # load counts from the current home only
        attested_by: AttestedBy = "node" if advert.writer == node_id else "registry"
        version = (
            old.version
            if old is not None and same_advert and old.contact == contact and _same_state(old.lease, lease)
            else version_of(node_id, advert.body, attested_by, state_map(lease), contact)
        )
        if old is not None and old.version == version and old.home == home:
            shown = old.shown
        else:
            known = known_of(advert.body)
            if known is None:
                return None
            shown = msgspec.json.encode(_shown(node_id, version, attested_by, lease, contact, home, known))
        return Entry(
            node_id, version, attested_by, lease.state, home, contact, advert, lease, lease_cell.end_ms, shown, load,
            self._qos_of(node_id),
        )  # fmt: skip


def state_map(lease: LeaseBody) -> dict[str, Any]:
    """The declared state as it enters the version: absent parts are left out."""
    parts = {
        "state": lease.state,
        "deadline_ms": lease.deadline_ms,
        "reason": lease.reason,
        "successors": list(lease.successors),
    }
    return {name: value for name, value in parts.items() if value not in (None, [])}


def version_of(node_id: bytes, body: Mapping[str, Any], attested_by: str, state: dict[str, Any], contact: str) -> bytes:
    """The version of docs/rpc.md, Orchestrators: 16 bytes that change whenever what a client should act on changes."""
    advert_hash = hashlib.sha256(cbor.encode(body)).digest()
    parts = ["p2preg-version-1", node_id, advert_hash, attested_by, state, contact]
    return hashlib.sha256(cbor.encode(parts)).digest()[:16]


def _same_state(old: LeaseBody, new: LeaseBody) -> bool:
    told = (old.state, old.deadline_ms, old.reason, old.successors)
    return told == (new.state, new.deadline_ms, new.reason, new.successors)


def _same(old: Entry, new: Entry) -> bool:
    return (
        old.version == new.version and old.home == new.home and old.load is new.load and old.qos == new.qos
    )


def _shown(
    node_id: bytes,
    version: bytes,
    attested_by: str,
    lease: LeaseBody,
    contact: Contact,
    home: bytes,
    known: Mapping[str, Any],
) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "node_id": node_id.hex(),
        "version": version.hex(),
        "attested_by": attested_by,
        "state": lease.state,
        "contact": contact,
        "allocatable": is_allocatable(lease.state, contact),
        "home": home.hex(),
    }
    shown.update(shown_of(known))
    if lease.state in DRAINED:
        drain = {name: value for name, value in state_map(lease).items() if name != "state"}
        if "successors" in drain:
            drain["successors"] = [successor.hex() for successor in drain["successors"]]
        shown["drain"] = drain
    return shown


def _moving_fields(entry: Entry) -> dict[str, int | str | None]:
    """What the index holds besides the description; None: the node has none."""
    qos = entry.qos
    return {
        "home": entry.home.hex(),
        "state": entry.state,
        "contact": entry.contact,
        "attested_by": entry.attested_by,
        "load": None if entry.load is None else entry.load.body.get("load"),
        "qos.score": None if qos is None else qos.score_mp,
        "qos.round_trip_time_s": None if qos is None else qos.round_trip_time_us,
        "qos.fraction_lost": None if qos is None else qos.fraction_lost_ppm,
        "qos.bitrate_bps": None if qos is None else qos.bitrate_bps,
    }


def shown_entry(entry: Entry, now: float) -> msgspec.Raw:
    """The node as clients read it, as JSON, with load, its age and QoS when they are known."""
    measured = _measured(entry, now)
    if not measured:
        return msgspec.Raw(entry.shown)
    return msgspec.Raw(entry.shown[:-1] + b"," + msgspec.json.encode(measured)[1:])


def _measured(entry: Entry, now: float) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if entry.load is not None:
        shown["load"] = shown_load(entry.load)
        shown["load_age_s"] = round(entry.load.age_at_receipt + now - entry.load.received, 3)
    if entry.qos is not None:
        qos = entry.qos
        shown["qos"] = {
            "score": qos.score_mp / 1000,
            "confidence": from_micro(qos.confidence_ppm),
            "round_trip_time_s": None if qos.round_trip_time_us is None else from_micro(qos.round_trip_time_us),
            "fraction_lost": None if qos.fraction_lost_ppm is None else from_micro(qos.fraction_lost_ppm),
            "bitrate_bps": qos.bitrate_bps,
        }
    return shown
