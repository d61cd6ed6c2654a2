"""What can happen to the DHT besides the events of `base.events`."""

from __future__ import annotations

from msgspec import Struct

from p2preg.dht.contact import Contact


class ContactSeen(Struct, frozen=True):
    """An authenticated exchange with `contact` has completed, and this is its registry cell: it may enter the table."""

    contact: Contact


class StartLookup(Struct, frozen=True):
    """Find the contacts nearest to `target`, a routing id. `LookupDone` with the same token follows, always."""

    token: object
    target: bytes


class Bootstrap(Struct, frozen=True):
    """Begin to keep the table fresh: look ourselves up, then each stale bucket, and again at intervals. `contacts` are
    those of the last run, nearest to be asked before anyone else is known; they enter the table once they answer."""

    contacts: tuple[Contact, ...] = ()
