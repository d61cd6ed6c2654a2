"""Registry cells as contacts of the DHT: parsed, admitted and verified once, remembered by their bytes."""

from __future__ import annotations

from p2preg.base.bounded import BoundedDict
from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import CONTACT_CELLS_MAX
from p2preg.cells.cell import REGISTRY
from p2preg.cells.network import NetworkFile
from p2preg.dht.contact import Contact
from p2preg.dht.lookup import LookupResult
from p2preg.node.own_cell import endpoint_of, text_of
from p2preg.node.reading import Reading
from p2preg.registry import results


class Contacts:
    """The judge of contacts."""

    def __init__(self, network: NetworkFile, reading: Reading) -> None:
        self._network = network
        self._reading = reading
        self._judged: BoundedDict[bytes, Contact | None] = BoundedDict(CONTACT_CELLS_MAX)

    def read(self, raw: bytes) -> Contact | None:
        """A signed registry cell of this network as a contact; None when it is not one."""
        if raw in self._judged:
            return self._judged[raw]
        contact = self._judge(raw)
        self._judged.set(raw, contact)
        return contact

    def _judge(self, raw: bytes) -> Contact | None:
        try:
            cell = self._reading.parse_cell(raw)
        except RemoteProtocolError:
            return None
        endpoint = endpoint_of(cell)
        if cell.kind != REGISTRY or endpoint is None or not self._network.admits(cell):
            return None
        if not all(map(self._reading.verify, cell.checks())):
            return None
        return Contact.of(cell.writer, endpoint, raw)

    def found(self, result: LookupResult) -> results.LookedUp:
        """The outcome of a lookup as clients read it."""
        closest = [self._shown(contact) for contact in result.closest]
        return results.LookedUp(closest=closest, hops=result.hops, asked=result.asked, found=result.found)

    def _shown(self, contact: Contact) -> results.Closest:
        cell = self._reading.parse_cell(contact.cell)
        return results.Closest(
            registry_id=contact.public_key.hex(), endpoint=contact.endpoint, rpc=text_of(cell, "rpc")
        )


def pack_table(cells: list[bytes]) -> bytes:
    """The registry cells of a routing table as one value to persist."""
    return b"".join(len(cell).to_bytes(2) + cell for cell in cells)


def read_table(value: bytes) -> list[bytes]:
    """The cells in a persisted routing table. A torn end gives a torn cell, which nobody will take for a contact."""
    cells = []
    at = 0
    while at + 2 <= len(value):
        length = int.from_bytes(value[at : at + 2])
        cells.append(value[at + 2 : at + 2 + length])
        at += 2 + length
    return cells
