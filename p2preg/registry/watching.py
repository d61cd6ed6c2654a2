"""The door to subscriptions: who may still be sent something, what is due when, and clients that resume while this
registry is not yet synced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from p2preg.base.effects import Schedule
from p2preg.base.errors import Refused
from p2preg.index.filter import Filter, parse_filter
from p2preg.registry import params, results
from p2preg.registry.directory import Change, Directory
from p2preg.registry.effects import Notify, Reply
from p2preg.registry.limits import NOTIFICATIONS_UNSENT_MAX, RESUMES_PER_TICK_MAX, WAITING_RESUMES_MAX
from p2preg.registry.projection import Projection, parse_projection
from p2preg.registry.subscriptions import DIGEST_SECONDS, Match, Subscription, Subscriptions

RESUME_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class WaitingResume:
    """A client that holds something else than what we see, while we are not synced."""

    session: int
    call: int
    query: Filter | None
    include: str
    projection: Projection
    max_rate: float
    have: params.Have
    deadline: float


class Watching:
    """All subscriptions, paced by what their clients take."""

    def __init__(
        self,
        directory: Directory,
        freshness: Callable[[float], results.Freshness],
        synced: Callable[[float], bool],
    ) -> None:
        self._directory = directory
        self._freshness = freshness
        self._synced = synced
        self._subscriptions = Subscriptions(directory)
        self._unsent: dict[int, int] = {}  # notifications of a session that are on their way to the socket
        self._waiting: list[WaitingResume] = []

    def __len__(self) -> int:
        return len(self._subscriptions)

    def open(self, session: int) -> None:
        self._unsent[session] = 0

    def close(self, session: int) -> None:
        self._unsent.pop(session, None)
        self._subscriptions.remove_session(session)
        self._waiting = [waiting for waiting in self._waiting if waiting.session != session]

    def writable(self, session: int, now: float) -> list[Any]:
        """One notification has left for the socket: there is room for one more."""
        if session not in self._unsent:
            return []
        self._unsent[session] = max(0, self._unsent[session] - 1)
        return self.flush(session, now)

    def subscribe(self, session: int, call: int, request: params.Subscribe, now: float) -> list[Any]:
        projection = parse_projection(request.fields)
        query = parse_filter(request.filter) if request.filter is not None else None
        self._subscriptions.check_room(session, sum(waiting.session == session for waiting in self._waiting))
        match = self._subscriptions.match_for(query, request.include)
        have = request.have
        equal = have is not None and match.equals(have.count, have.digest)
        if have is not None and not equal and not self._synced(now) and len(self._waiting) < WAITING_RESUMES_MAX:
            deadline = now + RESUME_WAIT_SECONDS
            self._waiting.append(
                WaitingResume(
                    session, call, query, request.include, projection, request.max_rate_ms / 1000, have, deadline
                )
            )
            return []
        return self._begin(session, call, match, projection, request.max_rate_ms / 1000, now, snapshot=not equal)

    def _begin(
        self,
        session: int,
        call: int,
        match: Match,
        projection: Projection,
        max_rate: float,
        now: float,
        *,
        snapshot: bool,
    ) -> list[Any]:
        subscription = self._subscriptions.add(session, match, projection, max_rate, snapshot=snapshot)
        result = results.Subscribed(
            subscription=subscription.number,
            mode="snapshot" if snapshot else "difference",
            freshness=self._freshness(now),
        )
        return [Reply(session, call, result), *self.flush(session, now)]

    def unsubscribe(self, session: int, number: int) -> None:
        if not self._subscriptions.remove(session, number):
            raise Refused(-32002, "subscription.unknown", f"this session has no subscription {number}")

    def on_change(self, change: Change, now: float) -> list[Any]:
        effects: list[Any] = []
        for session in self._subscriptions.on_change(change):
            effects += self.flush(session, now)
        return effects

    def tick(self, now: float) -> list[Any]:
        """Answer those who waited for us to be synced, or waited long enough."""
        if not self._waiting:
            return []
        synced = self._synced(now)
        ready = [waiting for waiting in self._waiting if synced or now >= waiting.deadline][:RESUMES_PER_TICK_MAX]
        self._waiting = [waiting for waiting in self._waiting if waiting not in ready]
        effects: list[Any] = []
        for waiting in ready:
            # Not the match of before: one without subscriptions may have been forgotten meanwhile.
            match = self._subscriptions.match_for(waiting.query, waiting.include)
            equal = match.equals(waiting.have.count, waiting.have.digest)
            effects += self._begin(
                waiting.session, waiting.call, match, waiting.projection, waiting.max_rate, now, snapshot=not equal
            )
        return effects

    def flush(self, session: int, now: float) -> list[Any]:
        """Send what is due, as far as the client takes it; schedule what is due later."""
        if session not in self._unsent:
            return []
        effects: list[Any] = []
        while self._unsent[session] < NOTIFICATIONS_UNSENT_MAX:
            due = next((each for each in self._subscriptions.of(session) if each.due(now)), None)
            if due is None:
                times = [each.due_at() for each in self._subscriptions.of(session)]
                if times:
                    effects.append(Schedule(min(times), ("registry", "flush", session)))
                break
            effects += self._next_notification(due, now)
        return effects

    def _next_notification(self, subscription: Subscription, now: float) -> list[Any]:
        lagged = subscription.lagged
        told = subscription.next_events(self._directory, now) if subscription.may_flush(now) else []
        if lagged:
            self._subscriptions.remove(subscription.session, subscription.number)
        elif not subscription.pending:
            told += self._at_rest(subscription, now)
            subscription.flush_at = now + subscription.max_rate
        elif not told:
            told = self._at_rest(subscription, now)
        if not told:
            return []
        subscription.n += 1
        self._unsent[subscription.session] += 1
        notification = {"subscription": subscription.number, "n": subscription.n, "events": told}
        return [Notify(subscription.session, "nodes.event", notification)]

    def _at_rest(self, subscription: Subscription, now: float) -> list[msgspec.Raw]:
        """Between flushes: `synced` the first time, later a digest now and then, so that a gap would be noticed."""
        count, digest = subscription.told()
        state = {"count": count, "digest": digest}
        if not subscription.synced:
            subscription.synced = True
            event = {"type": "synced", **state, "freshness": self._freshness(now)}
        elif now >= subscription.digest_at:
            event = {"type": "digest", **state}
        else:
            return []
        subscription.digest_at = now + DIGEST_SECONDS
        return [msgspec.Raw(msgspec.json.encode(event))]
