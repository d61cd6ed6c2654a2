"""What a client holds is followed change by change, and never a gap goes unsaid (docs/rpc.md, Subscriptions).

Subscriptions with one filter and include share a `Match`, which is evaluated once a change. Each subscription keeps,
per node not yet told, what its client holds; so the snapshot, the difference, coalescing between flushes and a slow
client are one mechanism: a dictionary of what is pending, bounded by the nodes there are."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from p2preg.base.errors import Refused
from p2preg.index.filter import Filter, canonical, fields_used
from p2preg.index.match import matches
from p2preg.registry.directory import Change, Directory, Entry
from p2preg.registry.limits import (
    EVENTS_PER_NOTIFICATION_MAX,
    MESSAGE_BYTES_MAX,
    QUEUE_EVENTS_MAX,
    SUBSCRIPTIONS_BYTES_MAX,
    SUBSCRIPTIONS_PER_SESSION_MAX,
)
from p2preg.registry.projection import Projection

DIGEST_SECONDS = 25.0  # the contract says at least every 30 s
NODE_BYTES = 64  # an entry of a dictionary by node; the ids in it are shared
FILTER_FACTOR = 4  # a filter's terms take so many times its canonical text
SUBSCRIPTION_BYTES = 4_096
_TWO_128 = 1 << 128
NOTHING: tuple[bytes | None, bool] = (None, False)


def included(entry: Entry, include: str) -> bool:
    """Whether the entry is within `include`."""
    if include == "all":
        return True
    return entry.contact == "live" if include == "live" else entry.allocatable


class Match:
    """The nodes that match one filter and include: their versions, and the digest that a client can compute too."""

    def __init__(self, query: Filter | None, include: str) -> None:
        self.query = query
        self.include = include
        used = fields_used(query) if query is not None else ()
        self.uses_load = "load" in used
        self.uses_qos = any(name.startswith("qos.") for name in used)
        self.versions: dict[bytes, bytes] = {}
        self.sum = 0
        self.subscriptions: dict[int, Subscription] = {}

    def fill(self, directory: Directory) -> None:
        for row in directory.index.search(self.query):
            node_id = directory.index.node_id(row)
            entry = directory.get(node_id)
            if entry is not None and included(entry, self.include):
                self._set(node_id, entry.version)

    def _set(self, node_id: bytes, version: bytes | None) -> None:
        before = self.versions.pop(node_id, None)
        if before is not None:
            self.sum -= int.from_bytes(before)
        if version is not None:
            self.versions[node_id] = version
            self.sum += int.from_bytes(version)
        self.sum %= _TWO_128

    def equals(self, count: int, digest: str) -> bool:
        """Whether a client that says so holds what matches."""
        return count == len(self.versions) and digest == digest_of(self.sum)

    def on_change(self, change: Change, directory: Directory) -> None:
        """Follow one change and tell the subscriptions what they have to tell their clients."""
        before = self.versions.get(change.node_id)
        new = change.new
        holds = (
            new is not None
            and included(new, self.include)
            and (self.query is None or matches(self.query, directory.index.fields_of(change.node_id) or {}))
        )
        after = new.version if holds and new is not None else None
        if before is None and after is None:
            return
        if before != after:
            self._set(change.node_id, after)
        reason = reason_of(change)
        for subscription in self.subscriptions.values():
            subscription.on_change(change, before, after, reason)


@dataclass(slots=True)
class Subscription:
    """One client's subscription. `pending`: node → (the version its client holds, whether to tell it in any case)."""

    number: int
    session: int
    match: Match
    projection: Projection
    max_rate: float
    n: int = 0
    synced: bool = False
    pending: OrderedDict[bytes, tuple[bytes | None, bool]] = field(default_factory=OrderedDict)
    reasons: dict[bytes, str] = field(default_factory=dict)
    flush_at: float = 0.0
    digest_at: float = 0.0
    lagged: bool = False

    def on_change(self, change: Change, before: bytes | None, after: bytes | None, reason: str) -> None:
        told = before != after or (change.only_measurements and self._asked_for(change))
        if not told:
            return
        held, force = self.pending.get(change.node_id, (before, False))
        self.pending[change.node_id] = (held, force or before == after)
        self.reasons[change.node_id] = reason
        if self.synced and len(self.pending) > QUEUE_EVENTS_MAX:
            self.lagged = True

    def _asked_for(self, change: Change) -> bool:
        if change.old is None or change.new is None:
            return False
        if self.projection.with_load and change.old.load is not change.new.load:
            return True
        return self.projection.with_qos and change.old.qos != change.new.qos

    def due(self, now: float) -> bool:
        """Whether there is something to tell, and it is time."""
        return now >= self.due_at()

    def due_at(self) -> float:
        """When there will be something to tell, if nothing changes."""
        if self.lagged or not self.synced:
            return 0.0
        return min(self.flush_at, self.digest_at) if self.pending else self.digest_at

    def may_flush(self, now: float) -> bool:
        """Whether what is pending may leave: a digest can be due before."""
        return self.lagged or not self.synced or now >= self.flush_at

    def told(self) -> tuple[int, str]:
        """Count and digest of what its client holds once it has read all that left: without what is pending."""
        count, total = len(self.match.versions), self.match.sum
        for node_id, (held, _) in self.pending.items():
            version = self.match.versions.get(node_id)
            count += (held is not None) - (version is not None)
            total += int.from_bytes(held or b"") - int.from_bytes(version or b"")
        return count, digest_of(total)

    def next_events(self, directory: Directory, now: float) -> list[msgspec.Raw]:
        """The next notification's events as JSON, at most 500 and fitting a message; the rest stays pending."""
        if self.lagged:
            return [msgspec.Raw(b'{"type":"lagged"}')]
        events: list[msgspec.Raw] = []
        room = MESSAGE_BYTES_MAX - 512  # the notification's own frame, with a synced or digest event
        while self.pending and len(events) < EVENTS_PER_NOTIFICATION_MAX - 1:
            node_id = next(iter(self.pending))
            event = self._event(node_id, directory, now)
            if event is not None:
                encoded = msgspec.json.encode(event)
                room -= len(encoded) + 1
                if room < 0:
                    break
                events.append(msgspec.Raw(encoded))
            del self.pending[node_id]
            self.reasons.pop(node_id, None)
        return events

    def _event(self, node_id: bytes, directory: Directory, now: float) -> dict[str, Any] | None:
        held, force = self.pending[node_id]
        version = self.match.versions.get(node_id)
        if held is None and version is None:
            return None
        if version is None:
            reason = self.reasons.get(node_id, "changed")
            return {"type": "leave", "node_id": node_id.hex(), "reason": reason}
        if held == version and not force:
            return None
        entry = directory.get(node_id)
        if entry is None:
            return None
        return {
            "type": "enter" if held is None else "update",
            "node_id": node_id.hex(),
            "version": version.hex(),
            "node": self.projection.apply(entry, now),
            "reason": self.reasons.get(node_id, "changed"),
        }


def digest_of(total: int) -> str:
    """A sum of versions, modulo 2^128, as the contract writes it."""
    return f"{total % _TWO_128:032x}"


def reason_of(change: Change) -> str:
    """Why a node entered, changed or left, in the words of the contract."""
    old, new = change.old, change.new
    if new is None:
        return "expired"
    if old is None or (old.contact == new.contact and old.state == new.state):
        return "changed"
    if new.state != old.state and new.state in ("cordoned", "draining", "stopping", "stopped"):
        return new.state
    if new.contact != old.contact and new.contact != "live":
        return new.contact
    return "changed"


class Subscriptions:
    """All subscriptions of all sessions."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._matches: dict[tuple[bytes, str], Match] = {}
        self._all: dict[int, Subscription] = {}
        self._of_session: dict[int, dict[int, Subscription]] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._all)

    def match_for(self, query: Filter | None, include: str) -> Match:
        """The shared match of a filter and include, filled on its first use."""
        key = (canonical(query) if query is not None else b"", include)
        match = self._matches.get(key)
        if match is None:
            match = Match(query, include)
            match.fill(self._directory)
            self._matches[key] = match
        return match

    def check_room(self, session: int, waiting: int) -> None:
        """`limit.subscriptions` when the session has no room for one more, `waiting` ones counted;
        `registry.overloaded` when there is none for anybody's."""
        if len(self._of_session.get(session, {})) + waiting >= SUBSCRIPTIONS_PER_SESSION_MAX:
            raise Refused(
                -32005,
                "limit.subscriptions",
                f"a session has at most {SUBSCRIPTIONS_PER_SESSION_MAX} subscriptions: unsubscribe one first",
            )
        if self._bytes() >= SUBSCRIPTIONS_BYTES_MAX:
            raise Refused(-32006, "registry.overloaded", "too much is followed at this registry: try another")

    def _bytes(self) -> int:
        """The memory that matches and subscriptions take, about."""
        nodes = sum(len(match.versions) for match in self._matches.values())
        nodes += sum(len(subscription.pending) for subscription in self._all.values())
        filters = sum(len(text) for text, _ in self._matches)
        return NODE_BYTES * nodes + FILTER_FACTOR * filters + SUBSCRIPTION_BYTES * len(self._all)

    def add(
        self, session: int, match: Match, projection: Projection, max_rate: float, *, snapshot: bool
    ) -> Subscription:
        """A new subscription; with `snapshot` its client is to be told of every matching node."""
        subscription = Subscription(self._next, session, match, projection, max_rate)
        self._next += 1
        if snapshot:
            subscription.pending = OrderedDict.fromkeys(match.versions, NOTHING)
        match.subscriptions[subscription.number] = subscription
        self._all[subscription.number] = subscription
        self._of_session.setdefault(session, {})[subscription.number] = subscription
        return subscription

    def remove(self, session: int, number: int) -> bool:
        """End a subscription of that session; False when it has none of that number."""
        subscription = self._of_session.get(session, {}).pop(number, None)
        if subscription is None:
            return False
        del self._all[number]
        del subscription.match.subscriptions[number]
        self._forget_unused()
        return True

    def remove_session(self, session: int) -> None:
        for number in list(self._of_session.pop(session, {})):
            subscription = self._all.pop(number)
            subscription.match.subscriptions.pop(number, None)
        self._forget_unused()

    def _forget_unused(self) -> None:
        for key in [key for key, match in self._matches.items() if not match.subscriptions]:
            del self._matches[key]

    def of(self, session: int) -> list[Subscription]:
        return list(self._of_session.get(session, {}).values())

    def on_change(self, change: Change) -> list[int]:
        """Follow a change; the sessions that may have something to send now."""
        if change.only_measurements:
            matches_concerned = [match for match in self._matches.values() if _concerns(match, change)]
        else:
            matches_concerned = list(self._matches.values())
        for match in matches_concerned:
            match.on_change(change, self._directory)
        return list(
            dict.fromkeys(
                subscription.session
                for match in matches_concerned
                for subscription in match.subscriptions.values()
                if subscription.pending or subscription.lagged
            )
        )


def _concerns(match: Match, change: Change) -> bool:
    """Whether a change of nothing but load or QoS can matter to a match or to one of its subscribers."""
    assert change.old is not None
    assert change.new is not None
    load, qos = change.old.load is not change.new.load, change.old.qos != change.new.qos
    if (load and match.uses_load) or (qos and match.uses_qos):
        return True
    return any(
        (load and subscription.projection.with_load) or (qos and subscription.projection.with_qos)
        for subscription in match.subscriptions.values()
    )
