"""Cells and batches from others, on their way in: parsed, their signatures sent to be checked, then offered.

One invalid cell makes what it came in invalid, and whoever sent it is at fault, since every registry verifies before it
forwards. Stale, early, ended, unknown or not held is no fault (docs/architecture.md, Spreading and repair)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from p2preg.base.limits import INTAKE_PENDING_MAX
from p2preg.broadcast.batch import Batch
from p2preg.cells.cell import Cell, CellUnknown
from p2preg.cells.held import HeldCells
from p2preg.crypto.verify import SignatureCheck
from p2preg.node.reading import Reading

Purpose = Literal["batch", "origin", "offer", "learned"]


class Job(Struct, frozen=True):
    """What waits for the verdict on its signatures. `session`: of reconciliation, for an offer."""

    purpose: Purpose
    peer: bytes
    cells: tuple[Cell, ...]
    checks: tuple[SignatureCheck, ...]
    batch: Batch | None = None
    session: int | None = None


class Intake:
    """Jobs under way. At `INTAKE_PENDING_MAX` cells that merely introduce a registry are let go: it will be heard of
    again. Batches are bounded by the broadcast, offers by reconciliation."""

    def __init__(self, held: HeldCells, reading: Reading) -> None:
        self._reading = reading
        self._held = held
        self._jobs: dict[int, Job] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def full(self) -> bool:
        return len(self._jobs) >= INTAKE_PENDING_MAX

    def job(
        self,
        purpose: Purpose,
        peer: bytes,
        raws: tuple[bytes, ...],
        batch: Batch | None = None,
        session: int | None = None,
    ) -> Job:
        """Parse what came; raises `CellInvalid`. What is held already, byte for byte, needs no second check."""
        cells = []
        checks: list[SignatureCheck] = []
        for raw in raws:
            try:
                cell = self._reading.parse_cell(raw)
            except CellUnknown:
                continue
            cells.append(cell)
            held = self._held.get(cell.key)
            if held is None or held.raw != raw:
                checks += cell.checks()
        if batch is not None:
            checks.insert(0, batch.check)
        return Job(purpose, peer, tuple(cells), tuple(checks), batch, session)

    def begin(self, job: Job) -> int:
        """Keep the job until its verdict; the token for `Verify`."""
        token = self._next
        self._next += 1
        self._jobs[token] = job
        return token

    def end(self, token: int) -> Job:
        """The job that a verdict is about."""
        return self._jobs.pop(token)
