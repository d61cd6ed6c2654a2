"""Every message between registries, with its number. ONLY APPEND: a number never changes its meaning.

A message is a canonical CBOR array [number, field, …]. Fields that a newer release appends are ignored by an older
one; fields that an older release does not send take their default here. Bounds are part of the type: what exceeds
them is refused at the door. Ids, hashes and digests are bytes; `*_ms` Unix milliseconds; cells and batches are
COSE_Sign1 envelopes, unopened.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import CELL_BYTES_MAX, FRAME_BYTES_MAX, NETWORK_BYTES_MAX
from p2preg.wire import cbor

U63 = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # msgspec bounds fit an int64
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
U8 = Annotated[int, Meta(ge=0, le=255)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
CellBytes = Annotated[bytes, Meta(min_length=1, max_length=CELL_BYTES_MAX)]
BatchBytes = Annotated[bytes, Meta(min_length=1, max_length=FRAME_BYTES_MAX)]
Label = Annotated[str, Meta(max_length=64)]
Network = Annotated[str, Meta(max_length=NETWORK_BYTES_MAX)]
Shard = Annotated[int, Meta(ge=0, le=4096)]  # a bound of a range of the 4096 shards, so 4096 is allowed


class Message(Struct, frozen=True, array_like=True):
    """A peer message; a subclass's tag is its number."""


# --- link: first message each way, then keep-alive ----------------------------------------------------------


class Hello(Message, frozen=True, tag=1):
    """First message each way. Versions are a range of which both ends take the greatest in common."""

    version_min: U8
    version_max: U8
    network: Network
    software: Label
    epoch: U63
    time_ms: U63
    cell: CellBytes  # the sender's own registry cell: who it is, where it listens
    kinds: Annotated[list[U8], Meta(max_length=32)]  # cell kinds that it stores; both reconcile those in common


class Goodbye(Message, frozen=True, tag=2):
    """Last message before a deliberate close."""

    reason: Label


class Ping(Message, frozen=True, tag=3):
    """Answered at once by Pong with the same nonce; measures the round-trip time."""

    nonce: U63


class Pong(Message, frozen=True, tag=4):
    """The answer to Ping."""

    nonce: U63


# --- Kademlia -----------------------------------------------------------------------------------------------


class FindNode(Message, frozen=True, tag=10):
    """Ask for the contacts nearest to `target` (a SHA-256, as every id in the routing table)."""

    request: U63
    target: Bytes32


class Nodes(Message, frozen=True, tag=11):
    """The answer to FindNode: registry cells, nearest first, at most k."""

    request: U63
    cells: Annotated[list[CellBytes], Meta(max_length=20)]


# --- HyParView ----------------------------------------------------------------------------------------------


class Join(Message, frozen=True, tag=20):
    """A newcomer asks its contact for a place in the overlay."""


class ForwardJoin(Message, frozen=True, tag=21):
    """A newcomer's registry cell on a random walk of `ttl` more steps."""

    cell: CellBytes
    ttl: U8


class Neighbor(Message, frozen=True, tag=22):
    """Ask for a place in the receiver's active view. `priority` 1: the sender has no other; 2: ring neighbour; 3: a
    place for a near peer."""

    priority: U8


class NeighborReply(Message, frozen=True, tag=23):
    """`accepted` 1: the link is in both active views; 0: not now."""

    accepted: U8


class DisconnectNeighbor(Message, frozen=True, tag=24):
    """The sender no longer counts the receiver as a neighbour."""


class Shuffle(Message, frozen=True, tag=25):
    """Registry cells that the origin offers, on a random walk of `ttl` more steps; cells[0] is the origin's own."""

    ttl: U8
    cells: Annotated[list[CellBytes], Meta(min_length=1, max_length=12)]


class ShuffleReply(Message, frozen=True, tag=26):
    """Registry cells in return, straight to the origin."""

    cells: Annotated[list[CellBytes], Meta(max_length=12)]


# --- Plumtree: one tree per origin --------------------------------------------------------------------------


class Announcement(Struct, frozen=True, array_like=True):
    """One batch that the sender holds: its id (first 16 bytes of the batch's SHA-256), origin, epoch and counter."""

    batch_id: Bytes16
    origin: Bytes32
    epoch: U63
    counter: U63


class Gossip(Message, frozen=True, tag=30):
    """A batch, pushed along the tree of its origin or grafted."""

    batch: BatchBytes


class IHave(Message, frozen=True, tag=31):
    """Batches that the sender could push, for links that are lazy for their origins."""

    announcements: Annotated[list[Announcement], Meta(max_length=512)]


class Graft(Message, frozen=True, tag=32):
    """Send these batches, and push these origins' from now on."""

    batch_ids: Annotated[list[Bytes16], Meta(max_length=512)]
    origins: Annotated[list[Bytes32], Meta(max_length=512)]


class Prune(Message, frozen=True, tag=33):
    """Only announce these origins' batches from now on."""

    origins: Annotated[list[Bytes32], Meta(max_length=512)]


# --- reconciliation: the responder keeps no state -----------------------------------------------------------


class Range(Struct, frozen=True, array_like=True):
    """Shards low ≤ shard < high."""

    low: Shard
    high: Shard


class Fingerprint(Struct, frozen=True, array_like=True):
    """How many cells a range holds, and the sum of their elements modulo 2^128."""

    count: U63
    digest: Bytes16


class AskFingerprints(Message, frozen=True, tag=40):
    """Fingerprints of ranges of the cells of `kind` that had not ended at `as_of_ms`."""

    request: U63
    as_of_ms: U63
    kind: U8
    ranges: Annotated[list[Range], Meta(min_length=1, max_length=1024)]


class Fingerprints(Message, frozen=True, tag=41):
    """The answer, in the order asked."""

    request: U63
    fingerprints: Annotated[list[Fingerprint], Meta(max_length=1024)]


class AskElements(Message, frozen=True, tag=42):
    """Which cells of `kind` are in these ranges: their elements, after `after` (all zero: from the start)."""

    request: U63
    as_of_ms: U63
    kind: U8
    ranges: Annotated[list[Range], Meta(min_length=1, max_length=1024)]
    after: Bytes32


class Elements(Message, frozen=True, tag=43):
    """Elements (SHA-256 of key, seq and hash) in ascending order; `more` 1 when the frame was full."""

    request: U63
    elements: Annotated[list[Bytes32], Meta(max_length=1500)]
    more: U8


class AskCells(Message, frozen=True, tag=44):
    """The cells of `kind` with these elements."""

    request: U63
    kind: U8
    elements: Annotated[list[Bytes32], Meta(min_length=1, max_length=256)]


class Cells(Message, frozen=True, tag=45):
    """Cells, as they were signed, fitting one frame; those that no longer exist are left out. `more` 1: ask again
    for the elements not yet seen."""

    request: U63
    cells: Annotated[list[CellBytes], Meta(max_length=512)]
    more: U8


class AskStream(Message, frozen=True, tag=46):
    """All cells of `kind` from `shard` on, for one that has little of them: whole shards, as many as fit a frame."""

    request: U63
    as_of_ms: U63
    kind: U8
    shard: Shard
    after: Bytes32  # element after which to go on within the shard; zeros: from its start


class StreamCells(Message, frozen=True, tag=47):
    """Cells in order of shard and element; go on from (`shard`, `after`); `more` 0: that was the end."""

    request: U63
    cells: Annotated[list[CellBytes], Meta(max_length=512)]
    shard: Shard
    after: Bytes32
    more: U8


class PushCells(Message, frozen=True, tag=48):
    """Cells that the receiver was found to lack."""

    cells: Annotated[list[CellBytes], Meta(min_length=1, max_length=512)]


class SyncRefused(Message, frozen=True, tag=49):
    """A reconciliation request that is not answered: the clocks differ by over 10 min, or the responder is busy."""

    request: U63
    reason: Label


AnyMessage = (
    Hello | Goodbye | Ping | Pong
    | FindNode | Nodes
    | Join | ForwardJoin | Neighbor | NeighborReply | DisconnectNeighbor | Shuffle | ShuffleReply
    | Gossip | IHave | Graft | Prune
    | AskFingerprints | Fingerprints | AskElements | Elements | AskCells | Cells | AskStream | StreamCells
    | PushCells | SyncRefused
)  # fmt: skip

NUMBERS: dict[int, type[Message]] = {cls.__struct_config__.tag: cls for cls in AnyMessage.__args__}


def encode_message(message: Message) -> bytes:
    """The canonical CBOR of `message`."""
    return cbor.encode(msgspec.to_builtins(message, builtin_types=(bytes,)))


def decode_message(body: bytes) -> Message | None:
    """The message in a frame body; None for a number that this release does not know, which is no fault.
    `RemoteProtocolError` for anything else."""
    value = cbor.decode(body)
    if not isinstance(value, list) or not value or type(value[0]) is not int:
        raise RemoteProtocolError("a message is an array that begins with its number")
    if value[0] not in NUMBERS:
        return None
    try:
        # Without `builtin_types` base64 text would pass for bytes, and a message have two encodings.
        return msgspec.convert(value, NUMBERS[value[0]], builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"message {value[0]}: {error}") from None
