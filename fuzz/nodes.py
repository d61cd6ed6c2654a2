"""Target: answers to FindNode, in a lookup that runs to its end."""

from __future__ import annotations

from random import Random

from fuzz.repair import repaired
from p2preg.base.effects import Connect, Schedule, Send
from p2preg.base.errors import RemoteProtocolError
from p2preg.base.events import ConnectFailed, Expired, PeerUp, Received
from p2preg.base.timers import TimerQueue
from p2preg.cells.cell import REGISTRY, parse_cell, sign_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify_all
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.core import DhtCore
from p2preg.dht.effects import Effect, Learned, LookupDone
from p2preg.dht.events import ContactSeen, StartLookup
from p2preg.wire import cbor
from p2preg.wire.messages import FindNode, Nodes, decode_message

NETWORK = NetworkFile.open("fuzz")
ALICE, MALLORY, *STRANGERS = [IdentityKey(bytes([n]) * 32) for n in range(6)]
SECONDS_MAX = 120.0  # a lookup that takes longer hangs


def one_input(data: bytes) -> None:
    """Whatever answers to FindNode hold, a lookup ends once, in time, and only verified registries are learned."""
    message = nodes_message(data)
    if message is None:
        return
    network = Wire(message)
    network.handle(PeerUp(MALLORY.public, outbound=True))
    network.handle(ContactSeen(Contact.of(MALLORY.public, "192.0.2.1:4010", b"unsent")))
    network.handle(StartLookup("lookup", bytes(32)))
    network.run()
    assert network.ended == 1, f"the lookup ended {network.ended} times"


def nodes_message(data: bytes) -> Nodes | None:
    """Mallory's answer: byte strings are cells as they are, other values go into cells of strangers' making."""
    value = cbor.decode(repaired(data))
    items = value if isinstance(value, list) else [data]
    cells = [item if isinstance(item, bytes) else registry_cell(n, item) for n, item in enumerate(items[:20])]
    try:
        message = decode_message(cbor.encode([11, 0, cells]))
    except RemoteProtocolError:
        return None
    assert isinstance(message, Nodes)
    return message


def registry_cell(number: int, item: cbor.Value) -> bytes:
    key = STRANGERS[number % len(STRANGERS)]
    body = item if isinstance(item, dict) and all(isinstance(k, str) for k in item) else {"endpoints": item}
    try:
        return sign_cell(key, NETWORK, key.public, REGISTRY, 1_790_000_000_000 + number, body).raw
    except RemoteProtocolError:
        return b"too large"


def read_cell(raw: bytes) -> Contact | None:
    """As a registry reads them: parsed, verified, and with an endpoint to dial."""
    try:
        cell = parse_cell(raw, NETWORK)
    except RemoteProtocolError:
        return None
    match cell.body.get("endpoints"):
        case [str(endpoint), *_] if cell.kind == REGISTRY and all(verify_all(cell.checks())):
            return Contact.of(cell.writer, endpoint, raw)
    return None


class Wire:
    """One core whose every request Mallory answers with the same message, and whose every dial fails."""

    def __init__(self, answer: Nodes) -> None:
        self.core = DhtCore(ALICE.public, Random(0), DhtConfig(), read_cell)
        self.answer = answer
        self.timers = TimerQueue()
        self.now = 0.0
        self.ended = 0

    def run(self) -> None:
        """Until no timer is left, or far beyond the time of any lookup."""
        while (deadline := self.timers.next_deadline()) <= SECONDS_MAX:
            self.now = deadline
            for timer in list(self.timers.pop_due(deadline)):
                self.handle(Expired(timer))

    def handle(self, event: object) -> None:
        events = [event]
        for queued in events:  # which grows meanwhile: answers come at once
            effects = self.core.handle(queued, self.now)
            self.core.check_invariants()
            for effect in effects:
                events += self.carry_out(effect)

    def carry_out(self, effect: Effect) -> list[object]:
        match effect:
            case Schedule(at, timer):
                self.timers.set(timer, at)
            case Send(peer, FindNode(request, _)):
                return [Received(peer, Nodes(request, self.answer.cells))]
            case Connect(peer):
                return [ConnectFailed(peer)]
            case Learned(contact):
                assert contact.cell in self.answer.cells
                assert contact.public_key in [stranger.public for stranger in STRANGERS]
            case LookupDone():
                self.ended += 1
        return []
