"""Contacts for the tests of the DHT: small ids that a reader can XOR in the head, and registries by number."""

import hashlib

from p2preg.dht.contact import Contact, prefix_of


def tiny(first_byte, host="127.0.0.1", rest=bytes(31)):
    """A contact whose routing id is `first_byte` and zeros, in an 8-bit key space. Its key is not what the id says."""
    key = hashlib.sha256(b"%d %s %s" % (first_byte, host.encode(), rest)).digest()
    return Contact(key, bytes([first_byte]) + rest, f"{host}:4010", prefix_of(host), key)


def person(number, host="127.0.0.1", cell_bytes=32):
    """A registry; its cell begins with its key, and is `cell_bytes` long."""
    key = hashlib.sha256(b"person %d" % number).digest()
    return Contact.of(key, f"{host}:4010", key.ljust(cell_bytes, b"."))


def people_in(first_bit, count, start=0):
    """`count` registries whose routing ids begin with this bit, by number from `start`."""
    found = []
    while len(found) < count:
        contact = person(start)
        if contact.routing_id[0] >> 7 == first_bit:
            found.append(contact)
        start += 1
    return found
