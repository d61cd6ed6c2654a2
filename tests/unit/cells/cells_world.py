"""Keys by name and signed cells in one call, for the tests of cells."""

from __future__ import annotations

import hashlib
from functools import cache

from p2preg.cells.cell import ADVERT, LEASE, REGISTRY, Cell, sign_cell
from p2preg.cells.held import HeldCells
from p2preg.cells.lease import ATTACHED, LeaseBody, Proof
from p2preg.cells.network import NetworkFile
from p2preg.cells.places import rank
from p2preg.crypto.keys import IdentityKey

NETWORK = NetworkFile.open("demo")
T = 1_800_000_000_000  # Unix ms
MINUTE = 60_000
HOUR = 60 * MINUTE


@cache
def key(name: str) -> IdentityKey:
    return IdentityKey(hashlib.sha256(name.encode()).digest())


def public(name: str) -> bytes:
    return key(name).public


def registry(name: str, seq: int = T, network: NetworkFile = NETWORK, **body: object) -> Cell:
    return sign_cell(key(name), network, public(name), REGISTRY, seq, {"region": "eu-west", **body})


def advert(node: str, writer: str | None = None, seq: int = T, network: NetworkFile = NETWORK, **body: object) -> Cell:
    return sign_cell(key(writer or node), network, public(node), ADVERT, seq, {"kind": "sfu", **body})


def proof(node: str, home: str, seq: int = T, network: NetworkFile = NETWORK) -> Proof:
    unsigned = Proof("127.0.0.1:7000", hashlib.sha256(home.encode()).digest(), seq, b"")
    signature = key(node).sign(unsigned.message(network.network, public(home)))
    return Proof(unsigned.authority, unsigned.nonce, seq, signature)


def lease(
    node: str, home: str, slot: int = 0, seq: int = T, proof_seq: int | None = None, network: NetworkFile = NETWORK,
    contact: int = ATTACHED, state: str = "serving",
) -> Cell:  # fmt: skip
    given = proof(node, home, seq if proof_seq is None else proof_seq, network)
    body = LeaseBody(slot, contact, state, 1, given).to_map()
    return sign_cell(key(home), network, public(node), LEASE, seq, body)


def held_of(*cells: Cell, network: NetworkFile = NETWORK, now_ms: int = T) -> HeldCells:
    held = HeldCells(network)
    for cell in cells:
        held.offer(cell, now_ms, 0.0, None)
    return held


def shown(held: HeldCells) -> dict[bytes, Cell]:
    """What can be seen."""
    held.check_invariants()
    cells = [cell for kind in (REGISTRY, LEASE, ADVERT) for cell in held.cells(kind)]
    return {cell.key: cell for cell in cells if held.is_visible(cell.key)}


def ranked(count: int) -> list[str]:
    """Names of registries, the first to have a place first."""
    return sorted((f"registry {number}" for number in range(count)), key=lambda name: rank(public(name)))
