"""What waits to be sent on one link: bounded, with a written drop policy. Pure.

At the cap the oldest IHave goes first, then the oldest Gossip: reconciliation repairs both. A message that may not be
lost and still does not fit is refused, and the link is closed: its peer does not read. An IHave never displaces
Gossip, nor Gossip a control message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from typing import Protocol

from p2preg.wire.framing import frame
from p2preg.wire.messages import Gossip, Hello, IHave, Message, Ping, Pong, encode_message


class Lane(IntEnum):
    """The lower goes first; within a lane the older."""

    KEEP_ALIVE = 0
    CONTROL = 1
    GOSSIP = 2
    ANNOUNCEMENT = 3


_LANES: dict[type[Message], Lane] = {
    Hello: Lane.KEEP_ALIVE,
    Ping: Lane.KEEP_ALIVE,
    Pong: Lane.KEEP_ALIVE,
    Gossip: Lane.GOSSIP,
    IHave: Lane.ANNOUNCEMENT,
}


class Drops(Protocol):
    """Where is counted what a full outbox let go."""

    announcements_dropped: int
    gossip_dropped: int


class Outbox:
    """Frames by lane, at most `bytes_max` bytes and `messages_max` of them together."""

    def __init__(self, bytes_max: int, messages_max: int, drops: Drops) -> None:
        self._bytes_max = bytes_max
        self._messages_max = messages_max
        self._drops = drops
        self._lanes: dict[Lane, deque[bytes]] = {lane: deque() for lane in Lane}
        self._bytes = 0

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def bytes_waiting(self) -> int:
        return self._bytes

    def offer(self, message: Message) -> bool:
        """Take `message`, or drop it if its kind may be; False when it may not and there is no room."""
        lane = _LANES.get(type(message), Lane.CONTROL)
        data = frame(encode_message(message))
        if not self._make_room(lane, len(data)):
            self._count_dropped(lane)
            return lane >= Lane.GOSSIP
        self._lanes[lane].append(data)
        self._bytes += len(data)
        return True

    def take(self, bytes_max: int) -> bytes:
        """The next frames, as many as fit `bytes_max` but at least one; empty when nothing waits."""
        return b"".join(self._next_frames(bytes_max))

    def check_invariants(self) -> None:
        assert self._bytes == sum(len(data) for lane in self._lanes.values() for data in lane)
        assert self._bytes <= self._bytes_max
        assert len(self) <= self._messages_max

    def _next_frames(self, bytes_max: int) -> Iterator[bytes]:
        taken = 0
        for lane in self._lanes.values():
            while lane:
                if taken and taken + len(lane[0]) > bytes_max:
                    return
                data = lane.popleft()
                self._bytes -= len(data)
                taken += len(data)
                yield data

    def _make_room(self, lane: Lane, size: int) -> bool:
        while self._bytes + size > self._bytes_max or len(self) >= self._messages_max:
            victim = self._victim(lane)
            if victim is None:
                return False
            self._bytes -= len(self._lanes[victim].popleft())
            self._count_dropped(victim)
        return True

    def _victim(self, lane: Lane) -> Lane | None:
        """The lane whose oldest frame gives way to one of `lane`."""
        for candidate in (Lane.ANNOUNCEMENT, Lane.GOSSIP):
            if candidate >= lane and self._lanes[candidate]:
                return candidate
        return None

    def _count_dropped(self, lane: Lane) -> None:
        if lane is Lane.ANNOUNCEMENT:
            self._drops.announcements_dropped += 1
        elif lane is Lane.GOSSIP:
            self._drops.gossip_dropped += 1
