"""The contact of a Media Node: derived by each registry from the current lease and its home, never replicated."""

from __future__ import annotations

from typing import Literal

from p2preg.cells.lease import ATTACHED, GONE, LeaseBody

Contact = Literal["live", "suspect", "unknown", "expired"]
LIVE: Contact = "live"
SUSPECT: Contact = "suspect"
UNKNOWN: Contact = "unknown"
EXPIRED: Contact = "expired"


def derive_contact(lease: LeaseBody, *, home_heard: bool, home_epoch: int, keep_live: bool) -> Contact:
    """What the current lease and the home's liveness say (docs/architecture.md, Liveness).

    `keep_live`: this registry preserves, and showed the node live before. Signed facts apply all the same."""
    if lease.contact == GONE:
        return EXPIRED
    if lease.contact != ATTACHED:
        return SUSPECT
    if (home_heard and lease.epoch == home_epoch) or keep_live:
        return LIVE
    return UNKNOWN


def is_allocatable(state: str, contact: Contact) -> bool:
    """The one predicate, used everywhere: serving and live."""
    return state == "serving" and contact == LIVE
