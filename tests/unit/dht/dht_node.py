from random import Random

from dht_people import person

from p2preg.base.effects import Schedule, Send
from p2preg.base.events import PeerUp, Received
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.core import DhtCore
from p2preg.dht.distance import routing_id
from p2preg.dht.events import ContactSeen
from p2preg.wire.messages import FindNode, Nodes

OWN_KEY = bytes(32)
OWN_ID = routing_id(OWN_KEY)  # begins with bit 0
TARGET = b"\x5a" * 32
ALICE, BOB, CAROL, MALLORY = (person(n) for n in range(4))


def read_cell(cell):
    """Cells of these tests are keys, padded; one that begins with "bad" is not acceptable."""
    return None if cell.startswith(b"bad") else Contact.of(cell[:32], "127.0.0.1:4010", cell)


class Node:
    """A core whose effects are looked through by kind."""

    def __init__(self, **numbers):
        self.core = DhtCore(OWN_KEY, Random(1), DhtConfig(**numbers), read_cell)
        self.effects = []

    def on(self, event, now=0.0):
        self.effects = self.core.handle(event, now)
        self.core.check_invariants()
        return self.effects

    def link(self, *contacts, now=0.0):
        for contact in contacts:
            self.on(PeerUp(contact.public_key, True), now)
            self.on(ContactSeen(contact), now)

    def of(self, kind):
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def asked(self):
        return {effect.peer: effect.message for effect in self.of(Send) if isinstance(effect.message, FindNode)}

    @property
    def scheduled(self):
        return {effect.timer: effect.at for effect in self.of(Schedule)}

    def answer(self, contact, message, cells=(), now=0.1):
        return self.on(Received(contact.public_key, Nodes(message.request, list(cells))), now)
