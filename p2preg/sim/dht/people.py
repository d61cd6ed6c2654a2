"""Registries for a network without signatures: each has a made-up key, which is also its cell.

Ids are what they are in earnest, the SHA-256 of the key, so an attacker must try as many keys here as there. Only that
a key is drawn, and not computed from a secret, is cheaper than life."""

from __future__ import annotations

import hashlib
import heapq

from p2preg.dht.contact import Contact
from p2preg.dht.distance import distance, routing_id

Key = bytes


def person(number: int) -> Contact:
    """The registry numbered so; no two have an IP prefix in common."""
    key = hashlib.sha256(b"%d" % number).digest()
    return Contact.of(key, f"10.{number >> 8}.{number & 255}.1:4010", key)


def ground(victim: Contact, count: int, tries: int, first: int) -> list[Contact]:
    """The `count` nearest to `victim` of `tries` registries, numbered from `first` in the order of their distance."""
    drawn = (hashlib.sha256(b"ground %d" % number).digest() for number in range(tries))
    keys = heapq.nsmallest(count, drawn, key=lambda key: distance(routing_id(key), victim.routing_id))
    return [Contact.of(key, person(first + at).endpoint, key) for at, key in enumerate(keys)]
