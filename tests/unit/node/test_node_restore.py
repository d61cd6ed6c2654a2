"""A node core that is started with the cells of its last run."""

from __future__ import annotations

from random import Random

from p2preg.base.limits import WAITING_BYTES_MAX
from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, Cell, sign_cell
from p2preg.cells.lease import ATTACHED, LeaseBody, Proof
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.node.config import NodeConfig
from p2preg.node.core import NodeCore
from p2preg.registry.sessions import Authorities
from p2preg.registry.surroundings import RegistrySettings

NETWORK = NetworkFile.open("restore")
HOME = IdentityKey(bytes(32))
NOW = 1_790_000_000_000
CONFIG = NodeConfig(
    endpoints=("127.0.0.1:7401",),
    registry=RegistrySettings("ws://127.0.0.1:7480/", Authorities(("127.0.0.1:7480",), 7480)),
)


class Alone:
    """Nothing around the core."""

    def round_trip_time_s(self, peer: bytes) -> float | None:
        return None

    def store_bytes(self) -> int:
        return 0


def cells_of(slot: int) -> tuple[Cell, Cell]:
    """A large description of a media node, and its lease."""
    node = slot.to_bytes(32)
    proof = Proof("127.0.0.1:7480", bytes(32), NOW - 1, bytes(64))
    lease = LeaseBody(slot=slot, contact=ATTACHED, state="serving", epoch=1, proof=proof)
    body = {"kind": "sfu", "pad": "x" * 3_800}
    return (
        sign_cell(HOME, NETWORK, node, ADVERT, NOW, body),
        sign_cell(HOME, NETWORK, node, LEASE, NOW, lease.to_map()),
    )


def test_more_descriptions_are_restored_than_could_wait_for_their_leases() -> None:
    count = WAITING_BYTES_MAX // 3_800 + 50
    adverts, leases = zip(*(cells_of(slot) for slot in range(count)), strict=True)
    registry = sign_cell(HOME, NETWORK, HOME.public, REGISTRY, NOW, {"epoch": 1})
    node = NodeCore(HOME, NETWORK, CONFIG, Alone(), Random(1), 2, 0.0, NOW, (*adverts, *leases, registry))
    held = node.held.statistics()
    assert (held.adverts, held.leases, held.waiting) == (count, count, 0)


def test_one_that_was_killed_before_its_table_was_kept_still_knows_of_others_by_their_cells() -> None:
    other = IdentityKey(bytes(31) + b"\1")
    cell = sign_cell(other, NETWORK, other.public, REGISTRY, NOW, {"endpoints": ["127.0.0.1:7402"], "epoch": 1})
    node = NodeCore(HOME, NETWORK, CONFIG, Alone(), Random(1), 2, 0.0, NOW, (cell,))
    node.start((), 0.0, NOW)
    assert not node.synced(1.0)
