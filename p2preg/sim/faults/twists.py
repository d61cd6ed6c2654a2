"""The lies of hostile registries, each with what the honest ones must still keep."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from p2preg.base.ids import ID_BYTES
from p2preg.broadcast.batch import BATCH_ID_BYTES, Batch, Page, parse_batch, sign_batch
from p2preg.cells.cell import REGISTRY, Cell, parse_cell, sign_cell
from p2preg.crypto.keys import IdentityKey
from p2preg.sim.faults.hostile import Twist
from p2preg.wire.messages import (
    Announcement,
    Cells,
    Elements,
    Fingerprint,
    Fingerprints,
    Gossip,
    IHave,
    Message,
    Nodes,
    PushCells,
    Shuffle,
    ShuffleReply,
)

REMEMBERED_MAX = 200
GHOSTS = 20
FAR_MS = 3_600_000
SPAM = 50


class Drops(Twist):
    """Forwards nothing of others, and does not announce it either."""

    promise = "every batch of an honest registry reaches all honest ones, over the links between them"

    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        match message:
            case Gossip(batch) if self._origin(batch) != self.key.public:
                self.acts += 1
            case IHave(announcements):
                own = [each for each in announcements if each.origin == self.key.public]
                self.acts += len(announcements) - len(own)
                if own:
                    yield IHave(own)
            case _:
                yield message

    def _origin(self, raw: bytes) -> bytes:
        return parse_batch(raw, self.network_file.network).origin


class OwnBatches(Twist):
    """Signs another batch in the place of each of its own."""

    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        if isinstance(message, Gossip):
            batch = parse_batch(message.batch, self.network_file.network)
            if batch.origin == self.key.public:
                yield Gossip(self.other_batch(peer, batch).raw)
                return
        yield message

    def other_batch(self, peer: bytes, batch: Batch) -> Batch:
        raise NotImplementedError

    def signed(self, batch: Batch, issued_ms: int, cells: Sequence[bytes], pages: Sequence[Page]) -> Batch:
        return sign_batch(
            self.key,
            network=batch.network,
            epoch=batch.epoch,
            counter=batch.counter,
            issued_ms=issued_ms,
            uptime_ms=batch.uptime_ms,
            interval_ms=batch.interval_ms,
            cells=cells,
            pages=pages,
        )

    def own_cells(self, batch: Batch) -> list[Cell]:
        return [parse_cell(raw, self.network_file) for raw in batch.cells]


class Equivocates(OwnBatches):
    """Tells every other peer something else: two batches with one counter, two registry cells with one seq."""

    promise = "all come to hold the same one of two cells, and one of them keeps the pair as evidence"
    keeps_apart = True

    def other_batch(self, peer: bytes, batch: Batch) -> Batch:
        if peer[0] % 2:
            return batch
        self.acts += 1
        cells = [self._otherwise(cell) if cell.kind == REGISTRY else cell.raw for cell in self.own_cells(batch)]
        page = Page(1, peer, {"said": "otherwise"})
        return self.signed(batch, batch.issued_ms, cells, [page])

    def _otherwise(self, cell: Cell) -> bytes:
        body = cell.body | {"region": "otherwise"}
        return sign_cell(self.key, self.network_file, cell.subject, REGISTRY, cell.seq, body).raw


class StampsAhead(OwnBatches):
    """Dates its batches and its registry cell an hour ahead."""

    promise = "what is dated ahead is not seen before its time, and harms nothing else"

    def other_batch(self, peer: bytes, batch: Batch) -> Batch:
        self.acts += 1
        cells = [self._ahead(cell) for cell in self.own_cells(batch)]
        return self.signed(batch, batch.issued_ms + FAR_MS, cells, batch.pages)

    def _ahead(self, cell: Cell) -> bytes:
        return sign_cell(self.key, self.network_file, cell.subject, cell.kind, cell.seq + FAR_MS, cell.body).raw


class Replays(Twist):
    """Says again what was said long ago: batches of others, and the cells in them."""

    promise = "nothing older takes the place of anything newer, and no sign of life is taken twice"

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._heard: deque[bytes] = deque(maxlen=REMEMBERED_MAX)

    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        yield message
        if not isinstance(message, Gossip):
            return
        self._heard.append(message.batch)
        old = self._heard[self.rng.randrange(len(self._heard))]
        cells = list(parse_batch(old, self.network_file.network).cells)
        self.acts += 1
        yield Gossip(old)
        if cells:
            yield PushCells(cells)


class WrongDigests(Twist):
    """Answers reconciliation with fingerprints and elements of nothing, and has no cell that it is asked for."""

    promise = "a session with it ends, nothing wrong is taken in, and sessions with others bring what is missing"

    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        match message:
            case Fingerprints(request, fingerprints):
                made_up = [Fingerprint(self.rng.randrange(1 << 20), self.rng.randbytes(16)) for _ in fingerprints]
                yield self._acted(Fingerprints(request, made_up))
            case Elements(request, elements):
                fresh = sorted(self.rng.randbytes(32) for _ in range(len(elements) + 10))
                yield self._acted(Elements(request, fresh, 0))
            case Cells(request):
                yield self._acted(Cells(request, [], 1))
            case _:
                yield message

    def _acted(self, message: Message) -> Message:
        self.acts += 1
        return message


class FakeContacts(Twist):
    """Names registries that do not exist wherever it is asked for registries. Their cells are signed, by its own
    hand."""

    promise = "the honest registries stay connected, and find each other"
    keeps_apart = True

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._ghosts = [self._ghost(number) for number in range(GHOSTS)]

    def _ghost(self, number: int) -> bytes:
        key = IdentityKey(self.rng.randbytes(32))
        body = {"endpoints": [f"10.253.{number}.1:4010"], "epoch": 1}
        return sign_cell(key, self.network_file, key.public, REGISTRY, self.clock.now_ms, body).raw

    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        match message:
            case Nodes(request, cells):
                yield Nodes(request, self._instead_of(cells))
            case Shuffle(ttl, cells):
                yield Shuffle(ttl, [cells[0], *self._instead_of(cells[1:])])
            case ShuffleReply(cells):
                yield ShuffleReply(self._instead_of(cells))
            case _:
                yield message

    def _instead_of(self, cells: Sequence[bytes]) -> list[bytes]:
        self.acts += 1
        return self.rng.sample(self._ghosts, min(len(cells), GHOSTS))


class AnnouncesNothing(Twist):
    """Announces batches that do not exist, of registries that do."""

    promise = "what is announced and never comes is forgotten, and real batches come in time"
    invents_batches = True

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._latest: dict[bytes, tuple[int, int]] = {}

    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        yield message
        if isinstance(message, Gossip):
            batch = parse_batch(message.batch, self.network_file.network)
            self._latest[batch.origin] = batch.epoch, batch.counter
            self.acts += 1
            yield IHave([self._announcement(batch.origin, ahead) for ahead in range(1, SPAM + 1)])

    def _announcement(self, origin: bytes, ahead: int) -> Announcement:
        epoch, counter = self._latest[origin]
        return Announcement(self.rng.randbytes(BATCH_ID_BYTES), origin, epoch, counter + ahead)


class Forges(Twist):
    """Pushes a registry cell with a wrong signature where it had a batch to push."""

    promise = "it is held by nobody, and whoever is sent it parts from the sender"

    def twist(self, peer: bytes, message: Message) -> Iterable[Message]:
        if not isinstance(message, Gossip):
            yield message
            return
        self.acts += 1
        body = {"endpoints": ["10.253.255.1:4010"], "epoch": 1}
        ghost = IdentityKey(self.rng.randbytes(ID_BYTES))
        cell = sign_cell(ghost, self.network_file, ghost.public, REGISTRY, self.clock.now_ms, body)
        yield PushCells([cell.raw[:-64] + bytes(64)])


TWISTS: dict[str, type[Twist]] = {
    "drops": Drops,
    "equivocates": Equivocates,
    "stamps ahead": StampsAhead,
    "replays": Replays,
    "wrong digests": WrongDigests,
    "fake contacts": FakeContacts,
    "announces nothing": AnnouncesNothing,
    "forges": Forges,
}
