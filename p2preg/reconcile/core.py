"""Reconciliation with many peers: the sessions that we start, and the answers to theirs.

Who to reconcile with, and when, is the node's business; so are the cells: `fetch` finds their bytes, `Offer` hands over
what came. Whatever this core sends was asked for by a peer or by the node.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2preg.base.bounded import BoundedDict
from p2preg.base.effects import Misbehaved, Send
from p2preg.base.errors import RemoteProtocolError
from p2preg.base.events import Expired, PeerDown, PeerUp
from p2preg.base.limits import RECONCILE_PEERS_MAX
from p2preg.reconcile.config import ReconcileConfig
from p2preg.reconcile.dialogue import Dialogue, Position
from p2preg.reconcile.digests import Digests
from p2preg.reconcile.effects import Offer, SessionEnded
from p2preg.reconcile.events import Asked, Offered, Reconcile
from p2preg.reconcile.rate import TokenBucket
from p2preg.reconcile.responder import BUSY, Fetch, Reply, Request, Responder
from p2preg.reconcile.session import Session
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

if TYPE_CHECKING:
    from random import Random

WORK_PER_TOKEN = 2_000  # cells looked at for one answer beyond which it counts as several: about 1 ms


@dataclass(frozen=True, slots=True)
class ReconcileStatistics:
    """`running` sessions now; the rest counts since the start. `answered` and `refused`: requests of peers."""

    running: int
    completed: int
    failed: int
    received: int
    pushed: int
    repaired: int
    answered: int
    refused: int


class ReconcileCore:
    """`fetch` gives the signed bytes of the cell held under a key, or None."""

    def __init__(self, digests: Digests, rng: Random, config: ReconcileConfig, fetch: Fetch) -> None:
        self._digests = digests
        self._config = config
        self._fetch = fetch
        self._responder = Responder(digests, fetch, config)
        self._buckets: BoundedDict[bytes, TokenBucket] = BoundedDict(RECONCILE_PEERS_MAX)
        self._sessions: dict[int, Session] = {}
        self._numbers = itertools.count(1)
        self._requests = itertools.count(rng.getrandbits(48))  # a reply to an earlier process fits no request
        self._positions: dict[int, Position] = {}
        self._totals = dict.fromkeys(("completed", "failed", "received", "pushed", "repaired"), 0)
        self._answered = 0
        self._refused = 0

    def handle(self, event: object, now: float) -> list[object]:
        """One event, all its effects. Total for whatever a peer can send."""
        match event:
            case Asked(peer, message, now_ms):
                return self._on_message(peer, message, now_ms, now)
            case Offered(number, merged, repaired):
                return self._on_offered(number, merged, repaired, now)
            case Reconcile(peer, now_ms):
                return self._on_reconcile(peer, now_ms, now)
            case Expired(("reconcile", int(number))):
                session = self._sessions.get(number)
                return self._settle(session, session.on_timer(now)) if session else []
            case PeerUp(peer):
                self._buckets.set(peer, TokenBucket(self._config.rate, self._config.burst, now))
                return []
            case PeerDown(peer):
                self._buckets.pop(peer)
                session = self._session_with(peer)
                return self._settle(session, session.on_peer_down()) if session else []
        raise AssertionError(f"no rule for {event!r}")

    def statistics(self) -> ReconcileStatistics:
        return ReconcileStatistics(
            running=len(self._sessions), answered=self._answered, refused=self._refused, **self._totals
        )

    def check_invariants(self) -> None:
        """Assert what holds between events."""
        assert len(self._sessions) <= self._config.sessions_max
        peers = [session.peer for session in self._sessions.values()]
        assert len(dict.fromkeys(peers)) == len(peers), "one session per peer"
        assert not any(session.ended for session in self._sessions.values())
        assert all(kind in self._config.kinds for kind in self._positions)
        self._digests.check_invariants()

    def _on_message(self, peer: bytes, message: object, now_ms: int, now: float) -> list[object]:
        bucket = self._buckets.get(peer)
        if bucket is None:
            return []  # a stranger: the link went down, or never was
        match message:
            case AskFingerprints() | AskElements() | AskCells() | AskStream():
                return self._on_request(peer, message, bucket, now_ms, now)
            case Fingerprints() | Elements() | Cells() | StreamCells() | SyncRefused():
                return self._on_reply(peer, message, now)
            case PushCells(cells) if bucket.borrow(now):  # on credit: the pusher's next question waits until it is paid
                return [Offer(peer, None, tuple(cells))]
        return []  # too many pushes: the next session finds the cells again

    def _on_request(self, peer: bytes, request: Request, bucket: TokenBucket, now_ms: int, now: float) -> list[object]:
        if not bucket.take(now):
            self._refused += 1
            return [Send(peer, SyncRefused(request.request, BUSY))]
        try:
            reply = self._responder.answer(request, now_ms)
        except RemoteProtocolError as error:
            return [Misbehaved(peer, str(error))]
        if isinstance(reply, SyncRefused):
            self._refused += 1
        else:
            self._answered += 1
            bucket.charge(self._responder.work(request, reply) / WORK_PER_TOKEN)
        return [Send(peer, reply)]

    def _on_reply(self, peer: bytes, reply: Reply, now: float) -> list[object]:
        session = self._session_with(peer)
        return self._settle(session, session.on_reply(reply, now)) if session else []

    def _on_offered(self, number: int | None, merged: int, repaired: int, now: float) -> list[object]:
        if number is None:
            self._totals["received"] += merged
            self._totals["repaired"] += repaired
            return []
        session = self._sessions.get(number)
        return self._settle(session, session.on_offered(merged, repaired, now)) if session else []

    def _on_reconcile(self, peer: bytes, now_ms: int, now: float) -> list[object]:
        if peer not in self._buckets or self._session_with(peer) or len(self._sessions) >= self._config.sessions_max:
            return []
        number = next(self._numbers)
        dialogue = Dialogue(self._digests, self._fetch, self._config, now_ms, self._positions)
        session = Session(number, peer, dialogue, self._config, self._requests, now)
        self._sessions[number] = session
        return self._settle(session, session.start(now))

    def _session_with(self, peer: bytes) -> Session | None:
        return next((session for session in self._sessions.values() if session.peer == peer), None)

    def _settle(self, session: Session, effects: list[object]) -> list[object]:
        """Forget a session that its effects have ended, and count what it brought."""
        if effects and isinstance(ended := effects[-1], SessionEnded):
            del self._sessions[session.number]
            self._totals["completed" if ended.ok else "failed"] += 1
            self._totals["received"] += ended.received
            self._totals["pushed"] += ended.pushed
            self._totals["repaired"] += ended.repaired
        return effects
