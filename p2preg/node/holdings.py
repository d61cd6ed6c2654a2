"""What this registry holds, and what follows when that changes: for the disk, the digests and the cores. Also the cells
that it writes itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from p2preg.base.ids import short
from p2preg.broadcast import events as broadcast_events
from p2preg.cells.cell import REGISTRY, Cell
from p2preg.cells.changes import Change, Outcome
from p2preg.dht.contact import Contact
from p2preg.node.effects import Halt, Store
from p2preg.node.ledger import Ledger
from p2preg.node.own_cell import OwnCell, endpoint_of, epoch_of, text_of
from p2preg.overlay import events as overlay_events
from p2preg.registry import events as registry_events

if TYPE_CHECKING:
    from p2preg.node.core import NodeCore

REPAIR_AGE_MS = 60_000  # a difference older than this is no gossip in flight


class Holdings:
    """The node core's part that offers cells and tells of what came of it."""

    def __init__(self, node: NodeCore, own_cell: OwnCell, ledger: Ledger, epoch: int) -> None:
        self._node = node
        self._ledger = ledger
        self._epoch = epoch
        self._own_stores: dict[int, tuple[int, tuple[Cell, ...]]] = {}
        self._next_token = 1
        self.own_cell = own_cell

    # --- offering ---------------------------------------------------------------------------------------------

    def offer(self, cells: Iterable[Cell], peer: bytes | None, on_disk: bool = False) -> tuple[int, int]:
        """Offer verified cells; how many were new, and how many of these gossip should have brought."""
        node = self._node
        cells = tuple(cells)
        merged = repaired = 0
        for cell in cells:
            if node.held.offer(cell, node.now_ms, node.now, peer) is Outcome.NEW:
                merged += 1
                repaired += node.now_ms - cell.seq >= REPAIR_AGE_MS
        self.settle(cells if on_disk else ())
        return merged, repaired

    def settle(self, on_disk: Iterable[Cell] = ()) -> None:
        """Tell the disk, the digests and the cores what happened to the held cells."""
        changes = self._node.held.drain_changes()
        if not changes:
            return
        stored = {cell.raw for cell in on_disk}
        changed: dict[tuple[bool, bytes], None] = {}
        for change in changes:
            durable = isinstance(change, Change) and change.new is not None and change.new.raw in stored
            effect = self._ledger.book(change, self._node.now_ms, on_disk=durable)
            if effect is not None:
                self._node.emit(effect)
            cells = (change.old, change.new) if isinstance(change, Change) else (change.cell,)
            changed.update({(cell.kind == REGISTRY, cell.subject): None for cell in cells if cell is not None})
        for is_registry, subject in changed:
            self._tell_changed(is_registry, subject)

    # --- cells of our own ---------------------------------------------------------------------------------------

    def store_own(self, registry_token: int, cells: tuple[Cell, ...]) -> None:
        """Durable before visible: `on_stored` offers and spreads them."""
        self._own_stores[self._next_token] = (registry_token, cells)
        self._node.emit(Store(self._next_token, cells))
        self._next_token += 1

    def on_stored(self, token: int) -> None:
        """Cells of our own are on disk."""
        node = self._node
        registry_token, cells = self._own_stores.pop(token)
        self.offer(cells, None, on_disk=True)
        if not node.publisher.add_cells(tuple(cell.raw for cell in cells)):
            node.log("warning", "outgoing full", waiting_bytes=node.publisher.waiting_bytes)
        node.to_registry(registry_events.Authored(registry_token))

    def take_own_cell(self) -> None:
        """Hold our own registry cell, as everybody else will."""
        node = self._node
        if node.held.offer(self.own_cell.cell, node.now_ms, node.now, None) is Outcome.NOT_HELD:
            node.log("error", "not admitted to the network", registry=short(node.own_id))
        self.settle()

    def renew_own_cell(self, above: int) -> None:
        cell = self.own_cell.renew(above, self._node.now_ms)
        self.take_own_cell()
        self._node.publisher.add_cells((cell.raw,))

    def _watch_own(self) -> None:
        """Somebody holds a greater cell of our key: an earlier run of ours signed it, or another process does."""
        held = self._node.held.registry(self._node.own_id)
        if held is None or held.order <= self.own_cell.cell.order:
            return
        if epoch_of(held) > self._epoch:
            self.halt(f"a registry cell of epoch {epoch_of(held)} was signed with our key; ours is {self._epoch}")
            return
        self.renew_own_cell(held.seq)

    def halt(self, reason: str) -> None:
        """Another process uses our key: whoever started last goes on."""
        self._node.log("error", "key in use elsewhere", reason=reason)
        self._node.emit(Halt(reason))

    # --- telling ------------------------------------------------------------------------------------------------

    def _tell_changed(self, is_registry: bool, subject: bytes) -> None:
        if not is_registry:
            self._node.to_registry(registry_events.Changed(subject))
        elif subject == self._node.own_id:
            self._watch_own()
        else:
            self._tell_of_registry(subject)

    def _tell_of_registry(self, registry: bytes) -> None:
        node = self._node
        cell = node.held.registry(registry)
        if cell is None:
            node.to_registry(registry_events.RegistryForgotten(registry))
            node.to_broadcast(broadcast_events.OriginDropped(registry))
            node.to_overlay(overlay_events.MemberGone(registry))
            return
        node.to_registry(registry_events.RegistryKnown(registry, epoch_of(cell)))
        node.to_broadcast(broadcast_events.OriginHeld(registry))
        self.tell_member(cell)

    def tell_member(self, cell: Cell) -> None:
        """A verified registry cell: the overlay may choose its writer, if it can be dialled."""
        node = self._node
        endpoint = endpoint_of(cell)
        if endpoint is None or cell.kind != REGISTRY or cell.writer == node.own_id:
            return
        node.know(cell.writer, endpoint)
        prefix = Contact.of(cell.writer, endpoint, cell.raw).prefix
        node.to_overlay(overlay_events.Member(cell.writer, prefix, text_of(cell, "region")))
