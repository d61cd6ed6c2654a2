"""What travels on links that stand: messages with their latency, and what goes wrong with them.

A link is TCP: what is sent arrives in order, and nothing is lost on the way. What may be lost is what a full outbox may
drop: gossip and announcements. That messages come twice or out of order is asking more of the cores than TCP does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random

from p2preg.base.events import Received
from p2preg.base.limits import FRAME_BYTES_MAX, OUTBOX_BYTES_MAX
from p2preg.sim.bottleneck import Bottleneck
from p2preg.sim.clock import Agenda
from p2preg.sim.links import End, Port, Side
from p2preg.sim.paths import Pair
from p2preg.wire.messages import Gossip, IHave, Message, decode_message, encode_message

STRAGGLE_SECONDS = 0.2  # at most: by how much a message that is out of order, or comes again, is late


class Carriage(ABC):
    """`loss`: the share of gossip that is dropped. `jitter`: by which share of its latency a message may take longer.
    `duplication`, `reordering`: the shares of messages that come twice, or after what was sent after them.
    `outbox_bytes_max`: of what waits for a slow receiver. `codec`: messages travel as bytes. Every fault is counted
    where it acts."""

    def __init__(self, agenda: Agenda, rng: Random, *, codec: bool) -> None:
        self.loss = 0.0
        self.jitter = 0.0
        self.duplication = 0.0
        self.reordering = 0.0
        self.outbox_bytes_max = OUTBOX_BYTES_MAX
        self.counts: Counter[str] = Counter()
        self.gossip_dropped = 0  # at full outboxes, as the next
        self.announcements_dropped = 0
        self._agenda = agenda
        self._rng = rng
        self.codec = codec
        self._sides: dict[Pair, Side] = {}  # (whose, towards whom)

    @abstractmethod
    def close(self, port: Port, peer: bytes) -> None:
        """`port` parts from `peer`."""

    def send(self, sender: Port, receiver: bytes, message: Message) -> None:
        """Dropped when the sender has no link to the receiver."""
        side = self._sides.get((sender.id, receiver))
        if side is None or side.state is not End.UP or side.port is not sender:
            self.counts["unlinked"] += 1
            return
        self.counts["messages"] += 1
        path = side.path
        if self.codec or self.loss or self.jitter or self.duplication or self.reordering or not path.is_plain:
            self._send_in_trouble(side, message)
            return
        arrival = self._agenda.now + path.seconds  # from here on as `_transmit`, for speed
        if arrival < side.free_at:
            arrival = side.free_at
        side.free_at = arrival
        self._agenda.at(arrival, side.other.receive, Received(sender.id, message))

    def _send_in_trouble(self, side: Side, message: Message) -> None:
        """The same, asking of each fault whether it strikes."""
        loss = max(self.loss, side.path.loss)
        if loss and isinstance(message, Gossip | IHave) and self._rng.random() < loss:
            self.counts["lost"] += 1
        elif side.path.rate is not None:
            self._squeeze(side, message)
        else:
            self._send_on(side, self._carried(message))

    def _send_on(self, side: Side, message: Message | None) -> None:
        arrive = partial(side.other.receive, Received(side.port.id, message))
        path = side.path
        if self._strikes(max(self.duplication, path.duplication)):
            self.counts["duplicated"] += 1
            self._straggle(side, arrive)
        if self._strikes(max(self.reordering, path.reordering)):
            self.counts["reordered"] += 1
            self._straggle(side, arrive)
        else:
            self._transmit(side, arrive)

    def _strikes(self, share: float) -> bool:
        return share > 0 and self._rng.random() < share

    def _straggle(self, side: Side, action: Callable[[], None]) -> None:
        """Something arrives late, and what is sent after it does not wait for it."""
        if side.path.cuts:
            side.stuck.append(action)
            return
        arrival = max(side.free_at, self._agenda.now + side.path.seconds)
        self._agenda.at(arrival + STRAGGLE_SECONDS * self._rng.random(), action)

    def _squeeze(self, side: Side, message: Message) -> None:
        """The receiver is slow: what it has not read waits in the sender's outbox."""
        self.counts["squeezed"] += 1
        if side.bottleneck is None:
            pass_on = partial(self._send_on, side)
            side.bottleneck = Bottleneck(self._agenda, side.path, self.outbox_bytes_max, self, pass_on)
        if not side.bottleneck.offer(message):
            self.counts["outboxes full"] += 1
            self.close(side.port, side.other.port.id)

    def _carried(self, message: Message) -> Message | None:
        """The message as the other end reads it."""
        if not self.codec:
            return message
        body = encode_message(message)
        self.counts["bytes"] += len(body)
        assert len(body) <= FRAME_BYTES_MAX, f"{type(message).__name__} has {len(body)} bytes"
        return decode_message(body)

    def _transmit(self, side: Side, action: Callable[[], None]) -> None:
        """Let something happen at the other end when all that was sent before has arrived there."""
        path = side.path
        if path.cuts:
            side.stuck.append(action)
            return
        seconds = path.seconds
        if self.jitter:
            self.counts["jittered"] += 1
            seconds *= 1 + self.jitter * self._rng.random()
        side.free_at = max(side.free_at, self._agenda.now + seconds)
        self._agenda.at(side.free_at, action)

