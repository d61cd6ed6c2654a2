"""The guests' sockets: what is written when one closes, falls silent or comes back, and what its nodes are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from p2preg.base.effects import Schedule
from p2preg.cells.cell import Cell
from p2preg.cells.lease import ATTACHED, LOST
from p2preg.registry import results
from p2preg.registry.effects import Author, Notify
from p2preg.registry.guests import Guest
from p2preg.registry.registration import Registration
from p2preg.registry.sessions import Session

GONE_AFTER_SECONDS = 15.0
ADVERTS_SECONDS = 600.0


class Attachment:
    """Reacts to sockets and time for all guests. Effects leave through `emit`."""

    def __init__(
        self,
        registration: Registration,
        failover: Callable[[], list[results.Failover]],
        emit: Callable[[Any], None],
        now: float,
    ) -> None:
        self._registration = registration
        self._guests = registration.guests
        self._failover = failover
        self._emit = emit
        self._next_token = 1
        self._waiting: dict[int, tuple[int, int, Any]] = {}
        self._adverts_due = now + ADVERTS_SECONDS
        self._was_isolated = False
        self._leftovers_ended = False

    # --- cells of our own -------------------------------------------------------------------------------------

    def author(self, cells: Sequence[Cell | None], answer: tuple[int, int, Any] | None = None) -> None:
        """Have cells stored and spread; `answer` (session, call, result) waits for them to be on disk."""
        written = tuple(cell for cell in cells if cell is not None)
        if not written and answer is None:
            return
        token = self._next_token
        self._next_token += 1
        if answer is not None:
            self._waiting[token] = answer
        self._emit(Author(token, written))

    def authored(self, token: int) -> tuple[int, int, Any] | None:
        """They are on disk: the answer that waited for it."""
        return self._waiting.pop(token, None)

    def answered(self, session: int, call: int, result: Any) -> None:
        """A node that has just come hears what the others were told when it happened."""
        if self._was_isolated and isinstance(result, results.Registered):
            self.notice(session, bytes.fromhex(result.node_id), "isolated")

    # --- sockets --------------------------------------------------------------------------------------------------

    def closed(self, session: Session, now: float, now_ms: int) -> None:
        for guest in self._of(session):
            if self._registration.outranked(guest):
                self._guests.forget(guest.node_id)
            else:
                self._lose(guest, now, now_ms, closed=True)

    def silent(self, session: Session, now: float, now_ms: int) -> None:
        for guest in self._of(session):
            self._lose(guest, now, now_ms, closed=False)

    def heard_again(self, session: Session, now_ms: int) -> None:
        self.author(
            [
                self._registration.heard_again(guest, now_ms)
                for guest in self._of(session)
                if guest.contact != ATTACHED
            ]
        )

    def _lose(self, guest: Guest, now: float, now_ms: int, *, closed: bool) -> None:
        """The first sign of trouble counts: a socket that was silent before it closes gives no second grace."""
        was = guest.contact
        self.author([self._registration.lose(guest, now_ms, closed=closed)])
        if was != ATTACHED:
            return
        self._emit(Schedule(now + GONE_AFTER_SECONDS, ("registry", "gone", guest.node_id)))

    def grace_is_over(self, node_id: bytes, now_ms: int) -> None:
        """15 s after a loss: gone, unless the node is back."""
        guest = self._guests.get(node_id)
        if guest is not None and guest.contact == LOST:
            self.author([self._registration.end(guest, now_ms)])

    def _of(self, session: Session) -> list[Guest]:
        guests = [self._guests.get(node_id) for node_id in session.proofs]
        return [guest for guest in guests if guest is not None and guest.session == session.number]

    # --- notices --------------------------------------------------------------------------------------------------

    def notice_all(self, reason: str, guests: Iterable[Guest] | None = None) -> None:
        """Tell the sessions of all guests, or of these."""
        registries = self._failover()
        for guest in self._guests if guests is None else guests:
            if guest.session is not None:
                self._notice(guest.session, guest.node_id, reason, registries)

    def notice(self, session: int, node_id: bytes, reason: str) -> None:
        """Tell a node's session what concerns the node, and where else it could go."""
        self._notice(session, node_id, reason, self._failover())

    def _notice(self, session: int, node_id: bytes, reason: str, registries: list[results.Failover]) -> None:
        said = {"node_id": node_id.hex(), "reason": reason, "registries": registries}
        self._emit(Notify(session, "node.notice", said))

    # --- time -------------------------------------------------------------------------------------------------------

    def tick(self, isolated: bool, now: float, now_ms: int) -> None:
        unproven = self._guests.unproven(now_ms)
        if unproven:
            self.notice_all("prove", unproven)
        if isolated and not self._was_isolated:
            self.notice_all("isolated")
        self._was_isolated = isolated
        if now >= self._adverts_due:
            self._adverts_due = now + ADVERTS_SECONDS
            for advert in self._registration.refreshed_adverts(now_ms):
                self.author([advert])

    def end_leftovers(self, now_ms: int) -> None:
        """60 s after a start: nodes of an earlier epoch that did not come back are gone."""
        self._leftovers_ended = True
        for lease in self._registration.leftovers(now_ms):
            self.author([lease])

    def changed(self, node_id: bytes, now_ms: int) -> None:
        """What is held of a node changed: a home that lost its disk may hear late of a lease that it left."""
        if self._leftovers_ended:
            self.author([self._registration.leftover(node_id, now_ms)])
