"""What a Media Node says of itself when it registers: judged at this door, signed if need be."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec

from p2preg.base.errors import Refused
from p2preg.cells.cell import ADVERT, Cell, CellInvalid, CellUnknown, parse_cell
from p2preg.cells.held import AHEAD_MS, HeldCells
from p2preg.cells.network import NetworkFile
from p2preg.crypto.verify import Verifier
from p2preg.registry.attributes import Attributes, body_of, read_body
from p2preg.registry.guests import Guests
from p2preg.registry.requests import invalid_params

REPUBLISH_MS = 12 * 3_600_000  # an unchanged description is published again when less of its life is left


@dataclass(frozen=True, slots=True)
class Described:
    """What became of the description that came with a registration."""

    cell: Cell | None
    expires_ms: int
    outcome: str
    warnings: tuple[str, ...] = ()


class Descriptions:
    """Reads the held adverts; never writes them."""

    def __init__(
        self, guests: Guests, held: HeldCells, network: NetworkFile, registry_id: bytes, verify: Verifier
    ) -> None:
        self._guests = guests
        self._held = held
        self._network = network
        self._own = registry_id
        self._verify = verify

    def take_attributes(self, node_id: bytes, attributes: Attributes, now_ms: int) -> Described:
        """Plain attributes: this home signs for the node, unless an advert of the node's own stands."""
        signed = self._held.advert(node_id, node_id)
        if signed is not None:
            return Described(None, signed.end_ms, "unchanged", ("signed_advert_stands",))
        body = body_of(attributes)
        standing = self._held.current_advert(node_id)
        outcome = "created" if standing is None else "unchanged" if standing.body == body else "updated"
        own = self._held.advert(node_id, self._own)
        if own is not None and own.body == body and own.end_ms - now_ms >= REPUBLISH_MS:
            return Described(None, own.end_ms, outcome)
        try:
            cell = self._guests.advert(node_id, body, now_ms)
        except CellInvalid as error:
            raise Refused(-32003, error.reason, str(error)) from None
        return Described(cell, cell.end_ms, outcome)

    def take_advert(self, node_id: bytes, text: str, now_ms: int) -> Described:
        """An advert that the node signed, as base64url. `cell.*` and `auth.wrong_key` when it can't be taken."""
        cell = self._read(node_id, text, now_ms)
        standing = self._held.current_advert(node_id)
        held = self._held.advert(node_id, node_id)
        if held is not None and cell.order != held.order and cell.seq <= held.seq:
            raise Refused(
                -32003, "cell.stale", f"an advert with a seq above {held.seq} is needed", current_seq=held.seq
            )
        if standing is None:
            return Described(cell, cell.end_ms, "created")
        if standing.body != cell.body or standing.writer != node_id:
            return Described(cell, cell.end_ms, "updated")
        if standing.hash == cell.hash or standing.end_ms - now_ms >= REPUBLISH_MS:
            return Described(None, standing.end_ms, "unchanged")
        return Described(cell, cell.end_ms, "unchanged")

    def _read(self, node_id: bytes, text: str, now_ms: int) -> Cell:
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise invalid_params("$.advert", "base64url without padding was expected") from None
        try:
            cell = parse_cell(raw, self._network)
        except CellInvalid as error:
            raise Refused(-32003, error.reason, str(error)) from None
        except CellUnknown as error:
            raise Refused(-32003, "cell.wrong_kind", str(error)) from None
        if cell.kind != ADVERT:
            raise Refused(-32003, "cell.wrong_kind", f"kind {ADVERT} (advert) was expected, got {cell.kind}")
        if cell.subject != node_id or cell.writer != node_id:
            raise Refused(-32001, "auth.wrong_key", "the advert is not by the node that this session authenticated")
        if not all(map(self._verify, cell.checks())):
            raise Refused(-32003, "cell.bad_signature", "the signature does not hold over the advert's bytes")
        if cell.end_ms <= now_ms:
            raise Refused(-32003, "cell.expired", f"the advert ended at {cell.end_ms}; the time here is {now_ms}")
        if cell.seq > now_ms + AHEAD_MS:
            raise Refused(
                -32003, "cell.too_far_ahead", f"seq {cell.seq} is over 5 min ahead of {now_ms}", time_ms=now_ms
            )
        try:
            read_body(cell.body)
        except msgspec.ValidationError as error:
            raise invalid_params("$.advert", f"the advert's body: {error}") from None
        return cell
