"""Who is near enough for a near place. A few such places make the network's clusters visible to it, as in X-BOT (Leitão
et al., SRDS 2009) and in Corrosion's near, middle and far shares; all others are given by chance, which keeps it whole.

Only what we measured ourselves counts: the round trip when a link came up. Two that are nearer to each other than what
they have become neighbours, and since both ends see the same round trip, that ends: it is a stable matching whose best
pairs never part.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.links import Link
from p2preg.overlay.members import Members
from p2preg.overlay.views import ActiveView

Rank = tuple[int, bool, float]


class Near:
    """The rule for near places; it changes nothing itself."""

    def __init__(
        self, config: OverlayConfig, region: str, active: ActiveView, members: Members, links: Mapping[bytes, Link]
    ) -> None:
        self._config = config
        self._region = region
        self._active = active
        self._members = members
        self._links = links

    @property
    def farthest(self) -> bytes:
        """The one of the near neighbours, of whom there must be some, that a nearer one replaces."""
        return max(self._active.near, key=self._link_round_trip)

    def is_welcome(self, peer: bytes) -> bool:
        """Whether `peer`, whose link is up, may have a near place. One prefix, which one party may own, has at most
        one of these; where others of it are neighbours already, none."""
        return self._is_within(self._limit(self._config.near_max), peer)

    def is_wanted(self, peer: bytes) -> bool:
        """As `is_welcome`, of one that we would have to ask."""
        return self._is_within(self._limit(self._config.near_wanted), peer)

    def is_worth_a_dial(self, peer: bytes) -> bool:
        """Whether the member `peer` could be welcome: it was near enough when measured, or says that it is in our
        region; while we want more, anybody who was never measured. So a network comes to rest."""
        limit, round_trip = self._limit(self._config.near_wanted), self._members.round_trip(peer)
        if limit is None:
            return False
        if round_trip is None:
            has_enough = len(self._active.near) >= self._config.near_wanted
            return (not has_enough or self._is_of_our_region(peer)) and self._adds_a_prefix(peer)
        return round_trip <= limit and self._adds_a_prefix(peer)

    def rank(self, peer: bytes) -> Rank:
        """The least goes first: those with fewest setbacks; of these, who was measured as near or says that it is in
        our region; of these, the nearest."""
        round_trip = self._members.round_trip(peer)
        is_promising = round_trip is not None or self._is_of_our_region(peer)
        return self._members.setbacks(peer), not is_promising, round_trip or 0.0

    def _is_within(self, limit: float | None, peer: bytes) -> bool:
        round_trip = self._links[peer].round_trip
        if limit is None or round_trip is None:
            return False
        return round_trip <= limit and self._adds_a_prefix(peer)

    def _limit(self, places: int) -> float | None:
        """The longest round trip that is near if there are so many near places, seconds; None while there is nothing
        to compare with."""
        if not places:
            return None
        if len(self._active.near) >= places:
            return self._config.near_gain * self._link_round_trip(self.farthest)
        known = (self._links[peer].round_trip for peer in self._active.others)
        measured = [round_trip for round_trip in known if round_trip is not None]
        return self._config.near_share * median(measured) if measured else None

    def _adds_a_prefix(self, peer: bytes) -> bool:
        leaving = None if self._active.near_free else self.farthest
        prefix = self._members.prefix_of(peer)
        neighbours = (other for other in self._active if other != leaving)
        return not prefix or all(self._members.prefix_of(other) != prefix for other in neighbours)

    def _is_of_our_region(self, peer: bytes) -> bool:
        return self._region != "" and self._members.region_of(peer) == self._region

    def _link_round_trip(self, peer: bytes) -> float:
        round_trip = self._links[peer].round_trip
        assert round_trip is not None, "who is near was measured"
        return round_trip
