"""The network file: what all registries of one network agree on, and so what bounds the memory of each.

Its hash is part of the network's name, which every cell carries: two networks can never mix (docs/protocol.md).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.ids import ID_BYTES
from p2preg.base.limits import (
    FRAME_BYTES_MAX,
    LIFE_MS_MAX,
    NETWORK_KINDS_MAX,
    REGISTRIES_MAX,
    SLOTS_MAX,
    SPONSORS_MAX,
    WORK_BITS_MAX,
)
from p2preg.cells.cell import ADVERT, LEASE, REGISTRY
from p2preg.crypto.keys import work_bits
from p2preg.crypto.verify import SignatureCheck, verify
from p2preg.wire import cbor

if TYPE_CHECKING:
    from p2preg.cells.cell import Cell

SPONSOR = b"p2preg-sponsor-1"
MINUTE_MS = 60_000
DEFAULT_LIVES = {REGISTRY: 30 * MINUTE_MS, ADVERT: 24 * 60 * MINUTE_MS, LEASE: 30 * MINUTE_MS}

_NAME = re.compile(r"[a-z0-9-]{1,15}")  # with "-" and 16 hex digits it fits NETWORK_BYTES_MAX
_FIELDS = {"name", "lives", "max_registries", "slots", "admission"}


@dataclass(frozen=True, slots=True)
class Open:
    """Any registry may come; the rank alone bounds how many."""


@dataclass(frozen=True, slots=True)
class Work:
    """A registry's key must show `bits` leading zero bits in its SHA-256."""

    bits: int


@dataclass(frozen=True, slots=True)
class Sponsored:
    """One of `keys` must have signed the registry's key, in its registry cell."""

    keys: tuple[bytes, ...]


Admission = Open | Work | Sponsored


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network's rules. `lives`: per cell kind, how many ms after its seq (a lease: its proof's) a cell ends.

    `network` is the name with the first 16 hex digits of the SHA-256 of the encoded file.
    """

    name: str
    lives: Mapping[int, int] = field(default_factory=DEFAULT_LIVES.copy)
    max_registries: int = 1_024
    slots: int = 65_536
    admission: Admission = field(default_factory=Open)
    network: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.encode()).hexdigest()
        object.__setattr__(self, "network", f"{self.name}-{digest[:16]}")

    @classmethod
    def open(cls, name: str) -> NetworkFile:
        """What a name alone means; `RemoteProtocolError` when it cannot be a name."""
        return cls(_read_name(name))

    @classmethod
    def parse(cls, data: bytes) -> NetworkFile:
        """Read an encoded file; `RemoteProtocolError` when it is none."""
        fields = cbor.decode(data, bytes_max=FRAME_BYTES_MAX)
        if not isinstance(fields, dict) or fields.keys() != _FIELDS:
            raise RemoteProtocolError(f"a network file is a map of {', '.join(sorted(_FIELDS))}")
        return cls(
            _read_name(fields["name"]),
            _read_lives(fields["lives"]),
            _read_between(fields["max_registries"], "max_registries", 1, REGISTRIES_MAX),
            _read_between(fields["slots"], "slots", 1, SLOTS_MAX),
            _read_admission(fields["admission"]),
        )

    def encode(self) -> bytes:
        """The file as its hash is taken and as it is handed from operator to operator."""
        return cbor.encode(
            {
                "name": self.name,
                "lives": dict(self.lives),
                "max_registries": self.max_registries,
                "slots": self.slots,
                "admission": _admission_value(self.admission),
            }
        )

    def admits(self, cell: Cell) -> bool:
        """Whether the writer of this registry cell may be held at all, however many there are."""
        match self.admission:
            case Work(bits):
                return work_bits(cell.writer) >= bits
            case Sponsored(keys):
                if cell.sponsored is None:  # a signature: checked once for each parsed cell
                    object.__setattr__(cell, "sponsored", _is_sponsored(cell, keys))
                return bool(cell.sponsored)
            case _:
                return True


def sponsor_message(network: str, registry_id: bytes) -> bytes:
    """The bytes that a sponsor signs to let a registry in; the signature stands in the body's `sponsor`."""
    return b"\0".join((SPONSOR, network.encode(), registry_id))


def _is_sponsored(cell: Cell, keys: tuple[bytes, ...]) -> bool:
    match cell.body.get("sponsor"):
        case [bytes(sponsor), bytes(signature)] if sponsor in keys:
            return verify(SignatureCheck(sponsor, sponsor_message(cell.network, cell.writer), signature))
        case _:
            return False


def _admission_value(admission: Admission) -> list[Any]:
    match admission:
        case Work(bits):
            return ["work", bits]
        case Sponsored(keys):
            return ["sponsored", list(keys)]
        case _:
            return ["open"]


def _read_admission(value: object) -> Admission:
    match value:
        case ["open"]:
            return Open()
        case ["work", bits]:
            return Work(_read_between(bits, "the bits of work", 1, WORK_BITS_MAX))
        case ["sponsored", list(keys)] if 1 <= len(keys) <= SPONSORS_MAX:
            if all(isinstance(key, bytes) and len(key) == ID_BYTES for key in keys) and len(set(keys)) == len(keys):
                return Sponsored(tuple(keys))
    raise RemoteProtocolError(
        'admission is ["open"], ["work", bits] or ["sponsored", keys], '
        f"with 1 to {SPONSORS_MAX} different keys of {ID_BYTES} bytes"
    )


def _read_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise RemoteProtocolError("a network's name has 1 to 15 characters of a-z, 0-9 and -")
    return value


def _read_lives(value: object) -> dict[int, int]:
    if not isinstance(value, dict) or len(value) > NETWORK_KINDS_MAX or not DEFAULT_LIVES.keys() <= value.keys():
        raise RemoteProtocolError(f"lives is a map from cell kind to ms with the kinds {sorted(DEFAULT_LIVES)}")
    return {kind: _read_between(life, f"the life of kind {kind}", 1, LIFE_MS_MAX) for kind, life in value.items()}


def _read_between(value: object, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise RemoteProtocolError(f"{name} must be an integer from {low} to {high}, got {str(value)[:40]}")
    return value
