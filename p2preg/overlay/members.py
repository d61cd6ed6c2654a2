"""Every registry that could be a neighbour, and when it may be asked again. An address book with a memory of
refusals: nothing here decides who is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2preg.base.limits import OVERLAY_MEMBERS_MAX
from p2preg.overlay.config import OverlayConfig

if TYPE_CHECKING:
    from random import Random

PREFIX_UNKNOWN = "unknown"  # peers that are no members (yet) share one prefix, so that hiding gains nothing


@dataclass(slots=True)
class Standing:
    """`in_vain`: setbacks since it last was a neighbour for a while. `ready_at`: when it may be asked again, and
    `granted_at`: since when it is a neighbour, monotonic seconds.
    `unreachable`: the last dial came to nothing. `for_ring`: the pause is for requests of the ring as well.
    `round_trip`: of the last link to it, seconds."""

    prefix: str
    region: str
    in_vain: int = 0
    ready_at: float = 0.0
    granted_at: float | None = None
    unreachable: bool = False
    for_ring: bool = False
    round_trip: float | None = None


class Members:
    """Known registries in the order in which they became known; a newcomer beyond the cap is ignored."""

    def __init__(self, config: OverlayConfig, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._standings: dict[bytes, Standing] = {}

    def __len__(self) -> int:
        return len(self._standings)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._standings

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._standings)

    def add(self, peer: bytes, prefix: str, region: str = "") -> bool:
        """Whether `peer` is new here. One that has moved to another prefix is given a fresh chance."""
        known = self._standings.get(peer)
        if known is not None and known.prefix == prefix:
            known.region = region
            return False
        if known is None and len(self._standings) >= OVERLAY_MEMBERS_MAX:
            return False
        self._standings[peer] = Standing(prefix, region)
        return known is None

    def remove(self, peer: bytes) -> None:
        self._standings.pop(peer, None)

    def prefix_of(self, peer: bytes) -> str:
        standing = self._standings.get(peer)
        return standing.prefix if standing is not None else PREFIX_UNKNOWN

    def region_of(self, peer: bytes) -> str:
        return self._standings[peer].region

    def round_trip(self, peer: bytes) -> float | None:
        """Seconds, as last measured; None when it never was."""
        standing = self._standings.get(peer)
        return standing.round_trip if standing is not None else None

    def setbacks(self, peer: bytes) -> int:
        """How often in a row it could not be a neighbour, or did not stay one."""
        return self._standings[peer].in_vain

    def ready_at(self, peer: bytes) -> float:
        return self._standings[peer].ready_at

    def is_ready(self, peer: bytes, now: float) -> bool:
        standing = self._standings.get(peer)
        return standing is not None and standing.ready_at <= now

    def is_ready_for_ring(self, peer: bytes, now: float) -> bool:
        """As `is_ready`; but one whose view is full may still have a place for a ring neighbour."""
        standing = self._standings.get(peer)
        return standing is not None and (standing.ready_at <= now or not standing.for_ring)

    def is_unreachable(self, peer: bytes) -> bool:
        """Whether the last dial of `peer` failed, and no link to it has come up since."""
        standing = self._standings.get(peer)
        return standing is not None and standing.unreachable

    def granted(self, peer: bytes, now: float) -> None:
        """`peer` became a neighbour. Its setbacks are forgiven only if it stays one: a peer that accepts and leaves,
        again and again, is asked ever more rarely."""
        if standing := self._standings.get(peer):
            standing.granted_at, standing.unreachable = now, False

    def reached(self, peer: bytes, round_trip: float | None) -> None:
        """There is a link to `peer`, whoever dialled it."""
        if standing := self._standings.get(peer):
            standing.unreachable = False
            standing.round_trip = standing.round_trip if round_trip is None else round_trip

    def failed(self, peer: bytes, now: float) -> None:
        """`peer` could not be dialled."""
        self._set_back(peer, self._config.failure_pause, self._config.failure_pause_max, now)
        if standing := self._standings.get(peer):
            standing.unreachable = standing.for_ring = True

    def lost(self, peer: bytes, now: float) -> None:
        """The link to `peer` went down: perhaps it is gone, perhaps only the link."""
        self._set_back(peer, self._config.failure_pause, self._config.failure_pause_max, now)

    def declined(self, peer: bytes, now: float, for_ring: bool = False) -> None:
        """`peer` is there, and has no place for us."""
        self._set_back(peer, self._config.decline_pause, self._config.decline_pause_max, now)
        if standing := self._standings.get(peer):
            standing.for_ring = for_ring

    def _set_back(self, peer: bytes, pause: float, pause_max: float, now: float) -> None:
        standing = self._standings.get(peer)
        if standing is None:
            return
        if standing.granted_at is not None and now - standing.granted_at >= self._config.decline_pause:
            standing.in_vain = 0
        standing.granted_at = None
        jitter = self._rng.uniform(1 - self._config.jitter, 1 + self._config.jitter)
        standing.ready_at = now + min(pause * 2.0 ** min(standing.in_vain, 16), pause_max) * jitter
        standing.in_vain += 1
