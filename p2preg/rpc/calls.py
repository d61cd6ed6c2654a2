"""The calls of one session that are not yet answered, single or in a batch. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2preg.rpc.jsonrpc import Id, Request


@dataclass(slots=True)
class Batch:
    """Answers gather here until all are there; they leave as one array."""

    missing: int
    holds_subscription: bool
    answers: list[bytes] = field(default_factory=list)
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Open:
    """A call under way."""

    request: Request
    batch: Batch | None


class Calls:
    """Numbers calls and turns answers into texts to send."""

    def __init__(self) -> None:
        self._open: dict[int, Open] = {}
        self._next = 1
        self._holding = 0  # batches with a subscription in them that are not yet answered

    def __len__(self) -> int:
        return len(self._open)

    @property
    def holds_events(self) -> bool:
        """Whether notifications have to wait: the result with a subscription's id comes before its events."""
        return self._holding > 0

    def __contains__(self, number: int) -> bool:
        """Whether that call is not yet answered."""
        return number in self._open

    def begin(self, request: Request, batch: Batch | None) -> int:
        number = self._next
        self._next += 1
        self._open[number] = Open(request, batch)
        return number

    def begin_batch(self, size: int, *, holds_subscription: bool) -> Batch:
        self._holding += holds_subscription
        return Batch(size, holds_subscription)

    def identity(self, number: int) -> Id:
        """The id to answer with; null stands in for a notification, whose answer is not sent."""
        call = self._open.get(number)
        return call.request.id if call is not None else None

    def end(self, number: int, answer: bytes) -> bytes | None:
        """The call is answered. The text to send now, if any."""
        call = self._open.pop(number, None)
        if call is None:
            return None
        wanted = None if call.request.is_notification else answer
        return wanted if call.batch is None else self.add(call.batch, wanted)

    def add(self, batch: Batch, answer: bytes | None) -> bytes | None:
        """One more of a batch's items is settled; the whole array when it was the last."""
        batch.missing -= 1
        if answer is not None:
            batch.answers.append(answer)
            batch.bytes += len(answer)
        if batch.missing > 0:
            return None
        self._holding -= batch.holds_subscription
        return b"[" + b",".join(batch.answers) + b"]" if batch.answers else None
