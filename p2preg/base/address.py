"""Addresses "host:port", with IPv6 in brackets (RFC 3986 section 3.2.2). Names are not resolved here."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from p2preg.base.errors import ConfigError

_LABEL = r"[A-Za-z0-9_-]{1,63}"  # RFC 1035 section 2.3.4; longer ones make the resolver raise
_NAME = rf"(?=.{{1,253}}:[0-9]+\Z){_LABEL}(?:\.{_LABEL})*\.?"
_SHAPE = re.compile(rf"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>{_NAME})):(?P<port>[0-9]{{1,5}})", re.ASCII)
_PORT_MAX = 65_535

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Address(NamedTuple):
    """`host`: an IP address without brackets, or a name; `port`: 0 to 65535, 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of this machine: something to listen on, never to advertise or dial."""
        address = _ip_of(self.host)
        return address is not None and address.is_unspecified

    @property
    def is_loopback(self) -> bool:
        address = _ip_of(self.host)
        return self.host.lower() == "localhost" if address is None else address.is_loopback


def parse_address(text: str) -> Address:
    """Read "host:port" or "[ipv6]:port"; `ConfigError` for anything else."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ConfigError(f"an address has the form host:port or [ipv6]:port, got {text[:80]!r}")
    port = int(match["port"])
    if port > _PORT_MAX:
        raise ConfigError(f"a port is at most {_PORT_MAX}, got {port} in {text!r}")
    if match["ipv6"] is not None:
        return Address(_checked_ipv6(match["ipv6"]), port)
    if _looks_like_ipv4(match["host"]) and _ip_of(match["host"]) is None:
        raise ConfigError(f"an IPv4 address has four numbers from 0 to 255, got {match['host']!r}")
    return Address(match["host"], port)


def prefix_of(address: Address) -> str:
    """The network that one operator is assumed to hold whole: "192.0.2.0/24", "2001:db8::/48", a name as it is.
    Empty for loopback, where every neighbour shares one address and none is counted."""
    ip = _ip_of(address.host)
    if address.is_loopback:
        return ""
    if ip is None:
        return address.host.lower()
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))


def _ip_of(host: str) -> IpAddress | None:
    """The IP address in `host`, an IPv4 one mapped into IPv6 (RFC 4291 section 2.5.5.2) unwrapped; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _checked_ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError as error:
        raise ConfigError(f"an IPv6 address was expected in the brackets: {error}") from None


def _looks_like_ipv4(host: str) -> bool:
    """A host whose last label is a number is an IPv4 address (WHATWG URL), so a bad one is refused, not resolved."""
    return host.rsplit(".", 1)[-1].isdigit()
