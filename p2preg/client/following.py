"""One subscription from its result to its end: the phases, the gap-free count, the digest (docs/rpc.md, Subscriptions).

A pure state machine: notifications in, changes of the view out, and the reason when it has to be begun anew."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from p2preg.client.replies import Freshness, Subscribed
from p2preg.client.view import OnChange, View

Version = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]


class Event(Struct, frozen=True):
    """One event of a notification."""

    type: str
    node_id: str = ""
    version: Version = "0" * 32
    node: dict[str, Any] | None = None
    count: int = 0
    digest: str = ""
    freshness: Freshness | None = None


class Notification(Struct, frozen=True):
    subscription: int | str
    n: int
    events: list[Event]


Phase = Literal["catching up", "live"]


class Following:
    """Keeps `view` in step with one subscription.

    A snapshot is gathered beside what is held, and replaces it when it is complete; when what is held is worth to
    `keep`, only once its registry is synced as well. Until then the gathered nodes are kept in step, and `refresh`
    takes them over when the registry says that it is synced.
    """

    def __init__(self, result: Subscribed, view: View, on_change: OnChange, *, keep: bool) -> None:
        self.subscription = result.subscription
        self.phase: Phase = "catching up"
        self.freshness = result.freshness
        self._view = view
        self._on_change = on_change
        self._keep = keep
        self._gathered = View() if result.mode == "snapshot" and len(view) else None
        self._n = 0

    @property
    def synced(self) -> bool:
        """Whether the view is all that the registry sees, and the registry sees the network."""
        return self.phase == "live" and self._gathered is None and self.freshness.synced

    def take(self, params: Any) -> str | None:
        """Follow one notification; None, or why the subscription must be begun anew."""
        try:
            notification = msgspec.convert(params, Notification)
        except msgspec.ValidationError as error:
            return f"not understood: {error}"
        if notification.n != self._n + 1:
            return f"a gap: notification {notification.n} came after {self._n}"
        self._n = notification.n
        for event in notification.events:
            fault = self._event(event)
            if fault is not None:
                return fault
        return None

    def _event(self, event: Event) -> str | None:
        current = self._gathered if self._gathered is not None else self._view
        match event.type:
            case "enter" | "update" if event.node is not None:
                before = current.put(event.node_id, event.version, event.node)
                if current is self._view:
                    self._on_change(event.node_id, before, event.node)
            case "leave":
                before = current.drop(event.node_id)
                if current is self._view and before is not None:
                    self._on_change(event.node_id, before, None)
            case "lagged":
                return "lagged: too much was unread"
            case "synced" | "digest":
                if (event.count, event.digest) != (len(current), current.digest):
                    return f"{event.type}: the registry sees {event.count} nodes; here are {len(current)}, or others"
                if event.type == "synced":
                    self._caught_up(event)
        return None  # what a later release may add is no fault

    def _caught_up(self, event: Event) -> None:
        self.phase = "live"
        self.refresh(event.freshness or self.freshness)

    def refresh(self, freshness: Freshness) -> None:
        """The registry has said how fresh it is by now."""
        self.freshness = freshness
        if self._gathered is not None and self.phase == "live" and (freshness.synced or not self._keep):
            self._view.become(self._gathered, self._on_change)
            self._gathered = None
