"""What waits for a receiver that reads slowly: the very outbox of the transport, with its drop policy, and a rate."""

from __future__ import annotations

from collections.abc import Callable

from p2preg.base.limits import OUTBOX_MESSAGES_MAX
from p2preg.sim.clock import Agenda
from p2preg.sim.paths import Path
from p2preg.wire.framing import FrameReader
from p2preg.wire.messages import Message, decode_message
from p2preg.wire.outbox import Drops, Outbox

WRITE_BYTES = 4_096  # taken from the outbox at once: beyond it nothing can be dropped or overtaken any more


class Bottleneck:
    """One direction of one link. `pass_on` takes each message when its last byte has left."""

    def __init__(
        self, agenda: Agenda, path: Path, bytes_max: int, drops: Drops, pass_on: Callable[[Message | None], None]
    ) -> None:
        self._agenda = agenda
        self._path = path
        self._pass_on = pass_on
        self._outbox = Outbox(bytes_max, OUTBOX_MESSAGES_MAX, drops)
        self._reader = FrameReader()
        self._leaving = b""

    def offer(self, message: Message) -> bool:
        """False when the message may not be dropped and there is no room: the link is to be closed."""
        taken = self._outbox.offer(message)
        if not self._leaving:
            self._write()
        return taken

    def open_up(self) -> None:
        """The receiver reads again: all that waits leaves at once."""
        while self._leaving:
            self._pass_all(self._leaving)
            self._leaving = self._outbox.take(WRITE_BYTES)

    def _write(self) -> None:
        self._leaving = self._outbox.take(WRITE_BYTES)
        if self._leaving and self._path.rate is not None:
            self._agenda.after(len(self._leaving) / self._path.rate, self._written, self._leaving)

    def _written(self, data: bytes) -> None:
        if data is self._leaving:
            self._pass_all(data)
            self._write()

    def _pass_all(self, data: bytes) -> None:
        for body in self._reader.feed(data):
            self._pass_on(decode_message(body))
