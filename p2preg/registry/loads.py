"""The load of our own guests, on its way into pages, and of others', out of theirs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from p2preg.registry.directory import Directory
from p2preg.registry.effects import PublishPage
from p2preg.registry.events import PageHeard
from p2preg.registry.guests import Guest, Guests
from p2preg.registry.load import (
    LOAD_PAGE,
    PAGE_REFRESH_SECONDS,
    LoadPage,
    LoadReport,
    body_of_load,
    read_load_body,
)


class Loads:
    """Publishes, refreshes and reads load pages. `refresh` has a node's entry computed anew."""

    def __init__(
        self,
        own_id: bytes,
        epoch: int,
        guests: Guests,
        directory: Directory,
        emit: Callable[[Any], None],
        refresh: Callable[[bytes], None],
    ) -> None:
        self._own_id = own_id
        self._epoch = epoch
        self._guests = guests
        self._directory = directory
        self._emit = emit
        self._refresh = refresh
        self._counter = 0
        self._published: dict[bytes, float] = {}  # guests with a load, that of which was told longest ago first

    def take(self, guest: Guest, report: LoadReport, now: float, now_ms: int) -> None:
        """A guest says how busy it is."""
        guest.load = body_of_load(report, now_ms)
        self._publish(guest, guest.load, now, now_ms)

    def refresh_due(self, now: float, now_ms: int) -> None:
        """Publish again what would end otherwise."""
        before = now - PAGE_REFRESH_SECONDS
        for node_id in list(takewhile(lambda node_id: self._published[node_id] < before, self._published)):
            del self._published[node_id]
            guest = self._guests.get(node_id)
            if guest is None or not guest.load:
                continue
            if guest.session is not None:
                self._publish(guest, guest.load, now, now_ms)
            else:
                self._published[node_id] = now  # it may come back

    def publish_again(self, now: float, now_ms: int) -> None:
        """Somebody may have missed the pages so far."""
        for guest in self._guests:
            if guest.load and guest.session is not None:
                self._publish(guest, guest.load, now, now_ms)

    def lease_is_held(self, guest: Guest, now: float, now_ms: int) -> None:
        """A guest that said how busy it is before its lease was on disk was not yet at home here for anybody."""
        entry = self._directory.get(guest.node_id)
        if guest.load and entry is not None and entry.home == self._own_id and entry.load is None:
            self._publish(guest, guest.load, now, now_ms)

    def heard(self, page: PageHeard, now: float) -> None:
        """Another registry's page."""
        body = read_load_body(page.body)
        if body is None:
            return
        load = LoadPage(page.registry, (page.epoch, page.counter), body, now, _age_s(body, page.issued_ms))
        if self._directory.put_load(page.subject, load):
            self._refresh(page.subject)

    def _publish(self, guest: Guest, body: dict[str, int], now: float, now_ms: int) -> None:
        self._published.pop(guest.node_id, None)
        self._published[guest.node_id] = now
        self._counter += 1
        load = LoadPage(self._own_id, (self._epoch, self._counter), body, now, _age_s(body, now_ms))
        if self._directory.put_load(guest.node_id, load):
            self._refresh(guest.node_id)
        self._emit(PublishPage(LOAD_PAGE, guest.node_id, body))


def _age_s(body: dict[str, int], home_ms: int) -> float:
    """Seconds since the measurement, when it was `home_ms` at the home."""
    return max(0.0, (home_ms - body.get("measured_ms", home_ms)) / 1000)
