"""A registry that the routing table can hold or a lookup can ask, as its signed registry cell describes it.

Nothing here verifies: whoever makes a `Contact` has checked the cell."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from p2preg.base.errors import LocalProtocolError
from p2preg.base.ids import ID_BYTES, short
from p2preg.dht.distance import routing_id

IPV4_PREFIX_BITS = 24
IPV6_PREFIX_BITS = 48


@dataclass(frozen=True, slots=True)
class Contact:
    """`endpoint`: "host:port". `prefix`: see `prefix_of`. `cell`: the signed registry cell, which answers carry."""

    public_key: bytes
    routing_id: bytes
    endpoint: str
    prefix: str
    cell: bytes

    def __post_init__(self) -> None:
        # Ids of unequal length can name one number twice, which crashes the library's heap and confuses any order.
        for name, value in (("public key", self.public_key), ("routing id", self.routing_id)):
            if len(value) != ID_BYTES:
                raise LocalProtocolError(f"a contact's {name} has {ID_BYTES} bytes, got {len(value)}")

    def __repr__(self) -> str:
        return f"Contact({short(self.public_key)} {self.endpoint})"

    @classmethod
    def of(cls, public_key: bytes, endpoint: str, cell: bytes) -> Contact:
        """The contact with the id and prefix that follow from its key and endpoint; an IPv6 host stands in brackets."""
        host = endpoint.rpartition(":")[0].strip("[]")
        return cls(public_key, routing_id(public_key), endpoint, prefix_of(host), cell)


def prefix_of(host: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) of an address, as text. "" for loopback and for names: exempt from diversity."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Network((int(address), IPV4_PREFIX_BITS), strict=False))
    return str(ipaddress.IPv6Network((int(address), IPV6_PREFIX_BITS), strict=False))
