"""Target: a whole registry node, and a linked peer that says what it likes."""

from __future__ import annotations

from typing import Any

import msgspec

from fuzz.repair import repaired
from p2preg.base.errors import P2pregError, RemoteProtocolError
from p2preg.broadcast.batch import FORMAT
from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, sign_cell
from p2preg.cells.lease import Proof
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.sim import World, check_host
from p2preg.sim.clock import START_MS
from p2preg.sim.stranger import Stranger
from p2preg.wire import cbor
from p2preg.wire.envelope import sign_envelope
from p2preg.wire.messages import (
    AskCells,
    AskElements,
    AskFingerprints,
    AskStream,
    Cells,
    Elements,
    FindNode,
    Fingerprints,
    Message,
    Nodes,
    StreamCells,
    SyncRefused,
    decode_message,
)

NETWORK = NetworkFile.open("fuzz")
MALLORY, NODE = IdentityKey(bytes([2]) * 32), IdentityKey(bytes([3]) * 32)
MESSAGES_MAX = 20
CONTAINERS_MAX = 4  # deeper, a map is a plain value

# Which question an answer is for: Mallory answers those that he was asked.
QUESTIONS: dict[type, Any] = {
    Nodes: FindNode,
    Fingerprints: AskFingerprints,
    Elements: AskElements,
    Cells: AskCells,
    StreamCells: AskStream,
    SyncRefused: AskFingerprints,
}


def one_input(data: bytes) -> None:
    """Whatever a linked peer says, the node raises nothing, holds every invariant and goes on serving."""
    value = cbor.decode(repaired(data))
    world = World(0, NETWORK, check=True)
    alice = world.add_registry()
    world.add_stranger(MALLORY)
    for item in (value if isinstance(value, list) else [value])[:MESSAGES_MAX]:
        for message in messages(item):
            say(world, message)
    world.run(20.0)
    check_host(alice)
    assert alice.halted is None
    assert world.add_client(alice).call("nodes.list")["freshness"]["registries_known"] <= 1 + len(world.strangers)


def say(world: World, message: Message) -> None:
    """Mallory says it, or a friend of his once the link was closed on him: he is not linked with for a while."""
    [alice] = world.hosts
    for speaker in (world.strangers[-1], None):
        mallory = speaker or world.add_stranger()
        if alice.id not in mallory.links:
            mallory.dial(alice)
            world.run(1.0)
        if alice.id in mallory.links:
            mallory.say(alice, as_answer(mallory, message))
            break
    world.run(0.1)


def as_answer(mallory: Stranger, message: Message) -> Message:
    """An answer with the number of the latest question that it can be for; another message as it is."""
    question = QUESTIONS.get(type(message), ())
    asked = [heard.request for heard in mallory.heard if isinstance(heard, question)]
    return msgspec.structs.replace(message, request=asked[-1]) if asked else message


def messages(item: cbor.Value) -> list[Message]:
    """The messages in one item: it may be one, and what a message carries is made of it."""
    raw = signed(item)
    carriers = [[30, raw], [45, 0, [raw], 0], [48, [raw]], [21, raw, 1], [25, 1, [raw]], [11, 0, [raw]]]
    found = []
    for candidate in (dressed(item), *carriers):
        try:
            message = decode_message(cbor.encode(candidate))
        except RemoteProtocolError:
            continue
        found += [message] if message is not None else []
    return found


def dressed(value: cbor.Value, depth: int = 0) -> cbor.Value:
    """`value`, with each map in it turned into bytes that Mallory signed."""
    if isinstance(value, list) and depth < CONTAINERS_MAX:
        return [dressed(item, depth + 1) for item in value]
    return signed(value) if isinstance(value, dict) else value


def signed(value: cbor.Value) -> bytes:
    """A batch or a cell of `value`, with a good signature."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return cell(value)
    return batch(value if isinstance(value, dict) else {8: [], 9: value if isinstance(value, list) else []})


def batch(fields: dict[Any, Any]) -> bytes:
    """Whatever `fields` say, but for what makes it a batch of Mallory's in this network."""
    head = dict(enumerate((FORMAT, NETWORK.network, MALLORY.public, 1, 1, START_MS, 1_000, 5_000)))
    cells = [cell(item) if isinstance(item, dict) else item for item in as_list(fields.get(8))]
    told = {**head, 9: [], **fields, 8: cells, 0: FORMAT, 1: NETWORK.network, 2: MALLORY.public}
    return sign_envelope(MALLORY, cbor.encode(told))


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def cell(fields: dict[Any, Any]) -> bytes:
    """`fields` as the body of a registry cell, a lease or an advert by Mallory; "seq" counts from the beginning."""
    body = {str(name): value for name, value in fields.items()}
    offset = body.pop("seq", 0)
    seq = START_MS + offset if type(offset) is int and abs(offset) < START_MS else START_MS
    kind = REGISTRY if "endpoints" in body or "epoch" in body else LEASE if "slot" in body else ADVERT
    if kind == LEASE:
        body = {"contact": 0, "state": "serving", "epoch": 1, **body, "proof": proof(seq).to_value()}
    subject = MALLORY.public if kind == REGISTRY else NODE.public
    try:
        return sign_cell(MALLORY, NETWORK, subject, kind, seq, body).raw
    except P2pregError:
        return b"no cell"


def proof(seq: int) -> Proof:
    unsigned = Proof("registry.example:8443", bytes(32), seq, bytes(64))
    return Proof(unsigned.authority, bytes(32), seq, NODE.sign(unsigned.message(NETWORK.network, MALLORY.public)))
