"""One session that we started: a dialogue with its request numbers, deadlines and bounds.

Whatever the peer answers, or fails to, the session ends: each request has a deadline; requests, bytes and total time
are bounded. A session that ends early keeps what it merged.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from p2preg.base.effects import Misbehaved, Schedule, Send
from p2preg.base.errors import RemoteProtocolError
from p2preg.reconcile.config import ReconcileConfig
from p2preg.reconcile.dialogue import Ask, Dialogue, GaveUp, Push, Take
from p2preg.reconcile.effects import Offer, SessionEnded
from p2preg.reconcile.responder import BUSY, Reply, Request
from p2preg.wire.messages import (
    AskCells,
    AskElements,
    AskFingerprints,
    AskStream,
    Cells,
    Elements,
    Fingerprints,
    PushCells,
    StreamCells,
    SyncRefused,
)

ANSWERED_BY: dict[type, type] = {
    AskFingerprints: Fingerprints,
    AskElements: Elements,
    AskCells: Cells,
    AskStream: StreamCells,
}


class Session:
    """With `peer`; `number` names it in effects, events and its one timer. `requests` gives fresh request numbers."""

    def __init__(
        self, number: int, peer: bytes, dialogue: Dialogue, config: ReconcileConfig, requests: Iterator[int], now: float
    ) -> None:
        self.number = number
        self.peer = peer
        self.ended = False
        self._steps = dialogue.run()
        self._config = config
        self._numbers = requests
        self._open: dict[int, Request] = {}
        self._replies: dict[int, Reply] = {}
        self._taking = False
        self._waits_to_ask_again = False
        self._busy = 0
        self._requests = 0
        self._bytes = 0
        self._received = 0
        self._pushed = 0
        self._repaired = 0
        self._ends_at = now + config.seconds_max

    def __repr__(self) -> str:
        doing = "ended" if self.ended else "taking" if self._taking else f"asking {len(self._open)}"
        return f"Session[{self.number} {self.peer[:4].hex()} {doing}]"

    def start(self, now: float) -> list[object]:
        return self._advance(None, now)

    def on_reply(self, reply: Reply, now: float) -> list[object]:
        """A reply to something else than what is open is late, and ignored."""
        request = self._open.get(reply.request)
        if request is None or reply.request in self._replies:
            return []
        if isinstance(reply, SyncRefused) and reply.reason == BUSY:
            return self._on_busy(now)
        if not isinstance(reply, (SyncRefused, ANSWERED_BY[type(request)])):
            return self._misbehaved(f"{type(request).__name__} was answered by {type(reply).__name__}")
        self._busy = 0
        self._replies[reply.request] = reply
        if isinstance(reply, (Cells, StreamCells)):
            self._bytes += sum(map(len, reply.cells))
        if len(self._replies) < len(self._open):
            return []
        return self._advance([self._replies[number] for number in self._open], now)

    def on_offered(self, merged: int, repaired: int, now: float) -> list[object]:
        """What `Take` brought; the dialogue goes on."""
        if not self._taking:
            return []
        self._received += merged
        self._repaired += repaired
        return self._advance(None, now)

    def on_timer(self, now: float) -> list[object]:
        """The deadline of what is open, or the time to ask again what was refused as busy."""
        if not self._waits_to_ask_again or now >= self._ends_at:
            return self._end(ok=False)
        self._waits_to_ask_again = False
        return self._send([number for number in self._open if number not in self._replies], now)

    def on_peer_down(self) -> list[object]:
        return self._end(ok=False)

    def _advance(self, answer: list[Reply] | None, now: float) -> list[object]:
        """Give the dialogue its answer and carry out its steps up to the next one that waits."""
        self._taking = self._waits_to_ask_again = False
        if self._exhausted(now):
            return self._end(ok=False)
        effects: list[object] = []
        try:
            step = self._steps.send(answer)
            while isinstance(step, Push):
                effects.append(Send(self.peer, PushCells(list(step.cells))))
                self._pushed += len(step.cells)
                step = self._steps.send(None)
        except StopIteration as stop:
            return effects + self._end(ok=True, equal_at_start=stop.value)
        except GaveUp:
            return effects + self._end(ok=False)
        except RemoteProtocolError as error:
            return effects + self._misbehaved(str(error))
        return effects + (self._take(step) if isinstance(step, Take) else self._ask(step, now))

    def _exhausted(self, now: float) -> bool:
        return (
            self._requests >= self._config.requests_max or self._bytes > self._config.bytes_max or now >= self._ends_at
        )

    def _take(self, step: Take) -> list[object]:
        """The node always answers, so only the session's end is a deadline."""
        self._taking = True
        self._open, self._replies = {}, {}
        return [Offer(self.peer, self.number, step.cells), self._timer(self._ends_at)]

    def _ask(self, step: Ask, now: float) -> list[object]:
        self._replies = {}
        self._open = {}
        for request in step.requests:
            number = next(self._numbers)
            self._open[number] = msgspec.structs.replace(request, request=number)
        self._requests += len(self._open)
        return self._send(list(self._open), now)

    def _send(self, numbers: list[int], now: float) -> list[object]:
        deadline = self._timer(min(now + self._config.request_timeout, self._ends_at))
        return [*(Send(self.peer, self._open[number]) for number in numbers), deadline]

    def _on_busy(self, now: float) -> list[object]:
        self._busy += 1
        if self._busy > self._config.busy_max:
            return self._end(ok=False)
        self._waits_to_ask_again = True
        return [self._timer(now + self._config.busy_wait)]

    def _timer(self, at: float) -> Schedule:
        return Schedule(at, ("reconcile", self.number))

    def _misbehaved(self, reason: str) -> list[object]:
        return [Misbehaved(self.peer, reason), *self._end(ok=False)]

    def _end(self, *, ok: bool, equal_at_start: bool = False) -> list[object]:
        self.ended = True
        self._steps.close()
        return [SessionEnded(self.peer, ok, self._received, self._pushed, self._repaired, equal_at_start)]
