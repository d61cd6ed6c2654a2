"""What can happen to the DHT besides the events of `base.events`."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.dht.contact import Contact


@dataclass(frozen=True, slots=True)
class ContactSeen:
    """An authenticated exchange with `contact` has completed, and this is its registry cell: it may enter the table."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class StartLookup:
    """Find the contacts nearest to `target`, a routing id. `LookupDone` with the same token follows, always."""

    token: object
    target: bytes


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Begin to keep the table fresh: look ourselves up, then each stale bucket, and again at intervals. `contacts` are
    those of the last run, nearest to be asked before anyone else is known; they enter the table once they answer."""

    contacts: tuple[Contact, ...] = ()
