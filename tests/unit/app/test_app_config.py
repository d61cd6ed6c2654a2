"""What a node makes of its settings once the ports are known: the names by which clients may dial it."""

from __future__ import annotations

from pathlib import Path

from p2preg.app import NodeSettings, node_config
from p2preg.base.address import Address, parse_address
from p2preg.cells.network import NetworkFile
from p2preg.registry.sessions import Authorities

PEER, BOUND = Address("192.0.2.1", 7400), Address("192.0.2.1", 7480)


def authorities(rpc: str, *advertised: str) -> Authorities:
    settings = NodeSettings(
        Path("data"), PEER, parse_address(rpc), NetworkFile.open("names"), advertise_rpc=advertised
    )
    return node_config(settings, PEER, BOUND).registry.authorities


def test_the_rpc_address_is_an_authority_as_it_was_given_and_as_it_was_resolved() -> None:
    ours = authorities("Registry.Example:0", "wss://public.example/rpc")
    for name in ("registry.example:7480", "192.0.2.1:7480", "public.example:443"):
        assert ours.accept(name), name
    for name in ("registry.example:0", "registry.example:443", "localhost:7480"):
        assert not ours.accept(name), name
