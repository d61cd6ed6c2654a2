"""Cells and batches from others: taken apart, their signatures sent to be checked, and what the verdict brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2preg.base.events import Received
from p2preg.broadcast import events as broadcast_events
from p2preg.broadcast.batch import Batch
from p2preg.cells.cell import REGISTRY, CellInvalid, CellUnknown
from p2preg.node.effects import Verify
from p2preg.node.holdings import Holdings
from p2preg.node.intake import Intake, Job, Purpose
from p2preg.node.reading import Reading
from p2preg.reconcile import events as reconcile_events
from p2preg.registry import events as registry_events
from p2preg.wire import messages

if TYPE_CHECKING:
    from p2preg.node.core import NodeCore

AT_ONCE_CHECKS_MAX = 15  # more signatures are the driver's to check, in a thread, which costs more than these do


class Arrivals:
    """The node core's part for what comes in. Receivers verify before they forward."""

    def __init__(self, node: NodeCore, reading: Reading, holdings: Holdings, epoch: int) -> None:
        self._node = node
        self._reading = reading
        self._holdings = holdings
        self._epoch = epoch
        self._intake = Intake(node.held, reading)

    def take_in(
        self,
        purpose: Purpose,
        peer: bytes,
        raws: tuple[bytes, ...],
        batch: Batch | None = None,
        session: int | None = None,
    ) -> None:
        """Take in what `peer` sent, now or in `on_verified`."""
        try:
            job = self._intake.job(purpose, peer, raws, batch, session)
        except CellInvalid as error:
            self._refuse(Job(purpose, peer, (), (), batch, session), str(error))
            return
        if len(job.checks) <= AT_ONCE_CHECKS_MAX:
            self._judge(job, all(map(self._reading.verify, job.checks)))
        elif not (self._intake.full and purpose in ("origin", "learned")):
            # Batches and offers are bounded by those who ask for them; these two would not be.
            self._node.emit(Verify(self._intake.begin(job), job.checks))

    def take_in_origin(self, peer: bytes, batch: Batch) -> None:
        """A batch of a registry that is not held: its registry cell may ride in it. If not, it came before."""
        for raw in batch.cells:
            try:
                cell = self._reading.parse_cell(raw)
            except (CellInvalid, CellUnknown):
                continue
            if cell.kind == REGISTRY and cell.writer == batch.origin:
                self.take_in("origin", peer, (raw,), batch)
                return
        self._node.sync.met_unknown(self._node.now)

    def on_verified(self, token: int, verdicts: list[bool]) -> None:
        """The verdict on what was sent to be checked."""
        self._judge(self._intake.end(token), all(verdicts))

    def _judge(self, job: Job, holds: bool) -> None:
        if holds:
            self._accept(job)
        else:
            self._refuse(job, "a signature does not hold")

    def _accept(self, job: Job) -> None:
        node = self._node
        merged, repaired = self._holdings.offer(job.cells, job.peer) if job.cells else (0, 0)
        if job.purpose == "offer":
            node.to_reconcile(reconcile_events.Offered(job.session, merged, repaired))
        elif job.purpose == "learned":
            for cell in job.cells:
                self._holdings.tell_member(cell)
        elif job.batch is not None and job.purpose == "batch":
            self._on_batch(job.batch)
        elif job.batch is not None and node.held.registry(job.batch.origin) is not None:
            node.to_broadcast(Received(job.peer, messages.Gossip(job.batch.raw)))

    def _refuse(self, job: Job, reason: str) -> None:
        if job.purpose == "batch" and job.batch is not None:
            self._node.to_broadcast(broadcast_events.Refused(job.batch.batch_id))
            return
        self._node.misbehaved(job.peer, reason)
        if job.purpose == "offer":
            self._node.to_reconcile(reconcile_events.Offered(job.session, 0, 0))

    def _on_batch(self, batch: Batch) -> None:
        node = self._node
        if batch.origin == node.own_id:
            if (batch.epoch, batch.counter) > (self._epoch, node.publisher.counter):
                self._holdings.halt(f"a batch of epoch {batch.epoch} was signed with our key; ours is {self._epoch}")
        else:
            self._tell_registry(batch)
        node.to_broadcast(broadcast_events.Accepted(batch))

    def _tell_registry(self, batch: Batch) -> None:
        """Its origin's sign of life, then its pages. One that fell silent and is heard again may have been on the other
        side of a partition: what was written there came to nobody here."""
        origin, epoch = batch.origin, batch.epoch
        homes, now = self._node.registry.homes, self._node.now
        if homes.has_fallen_silent(origin, now):
            self._node.sync.soon(now)
        self._node.to_registry(
            registry_events.BatchHeard(origin, epoch, batch.uptime_ms, batch.interval_ms, batch.issued_ms)
        )
        for page in batch.pages:
            self._node.to_registry(
                registry_events.PageHeard(
                    origin, epoch, batch.counter, batch.issued_ms, page.kind, page.subject, page.body
                )
            )
