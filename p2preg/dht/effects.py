"""What the DHT may ask for besides the effects of `base.effects`."""

from __future__ import annotations

from msgspec import Struct

from p2preg.base.effects import Connect, Disconnect, Misbehaved, Schedule, Send
from p2preg.dht.contact import Contact
from p2preg.dht.lookup import LookupResult


class LookupDone(Struct, frozen=True):
    """The lookup that `StartLookup` named `token` has ended. Its contacts have answered; the links that were dialled
    to ask them are given up after a while."""

    token: object
    result: LookupResult


class Learned(Struct, frozen=True):
    """An answer named `contact`, which is not in the table. Its cell is verified, that it is alive is not."""

    contact: Contact


Effect = Send | Schedule | Connect | Disconnect | Misbehaved | LookupDone | Learned
