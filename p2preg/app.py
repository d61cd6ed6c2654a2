"""A registry node as a process: the nursery tree, readable top to bottom.

Nested by lifetime: the store outlives the links, they outlive the core, it outlives the websockets; so stopping from
the inside out loses nothing. A crash of the core ends the process, and a restart is an ordinary start."""

from __future__ import annotations

import ipaddress
import json
import logging
import random
import secrets
import signal
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from p2preg.base.address import Address
from p2preg.base.errors import ConfigError, RemoteProtocolError
from p2preg.base.ids import short
from p2preg.cells.cell import Cell, parse_cell
from p2preg.cells.network import NetworkFile, Work
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify_all
from p2preg.net.driver import Disk, Driver, unix_ms
from p2preg.net.listener import address_of, listening
from p2preg.net.transport import Transport
from p2preg.node.config import NodeConfig
from p2preg.node.contacts import read_table
from p2preg.node.core import NodeCore
from p2preg.registry.sessions import Authorities
from p2preg.registry.surroundings import RegistrySettings
from p2preg.rpc.server import RpcConfig, RpcServer
from p2preg.storage.cellstore import open_store
from p2preg.storage.datadir import data_directory
from p2preg.storage.keyfile import load_or_create

logger = logging.getLogger(__name__)

IDENTITY_NAME = "identity.pem"
CELLS_NAME = "cells"
EPOCH_NAME = "epoch"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What the operator asked for. `advertise`: None advertises the address that we listen on."""

    data_dir: Path
    listen: Address
    rpc: Address
    network: NetworkFile
    advertise: Address | None = None
    advertise_rpc: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    region: str | None = None
    sponsor: tuple[bytes, bytes] | None = None
    tls: ssl.SSLContext | None = None


class Store(Disk, Protocol):
    """The store, as a start needs it besides."""

    def load_all(self) -> Iterator[tuple[bytes, bytes, bool]]: ...
    def meta_get(self, name: str) -> bytes | None: ...
    async def meta_put(self, name: str, value: bytes) -> None: ...


async def run_node(settings: NodeSettings, on_ready: Callable[[dict[str, str]], None]) -> None:
    """Run until SIGTERM or SIGINT; a second one ends it at once. `on_ready` is given what the ready line says."""
    with data_directory(settings.data_dir) as directory:
        key = load_or_create(directory / IDENTITY_NAME)
        async with open_store(directory / CELLS_NAME) as store, trio.open_nursery() as nursery:
            told_to_stop = trio.Event()
            nursery.start_soon(_obey_signals, told_to_stop, nursery.cancel_scope)
            await run_registry(settings, key, store, told_to_stop, on_ready)
            nursery.cancel_scope.cancel()


async def run_registry(
    settings: NodeSettings,
    key: IdentityKey,
    store: Store,
    told_to_stop: trio.Event,
    on_ready: Callable[[dict[str, str]], None],
) -> None:
    """What does not depend on being a process: a node with `key` on `store`, until `told_to_stop`."""
    async with listening([settings.rpc]) as rpc_listeners, trio.open_nursery() as links:
        driver = Driver(store)
        transport = Transport(key, driver.hello, driver.check_hello, driver)
        [peer_address, *_] = await links.start(transport.run, [settings.listen])
        config = node_config(settings, peer_address, address_of(rpc_listeners[0]))
        epoch = await _next_epoch(store)
        node = NodeCore(
            key,
            settings.network,
            config,
            driver,
            random.Random(secrets.randbits(128)),
            epoch,
            trio.current_time(),
            unix_ms(),
            _restore(store, settings.network),
        )
        if not settings.network.admits(node.own_cell):
            raise ConfigError(f"network {settings.network.network}: {_how_to_enter(settings.network)}")
        driver.connect(node, transport)
        server = RpcServer(driver, rpc_config(settings, config))
        driver.serve(server)
        async with trio.open_nursery() as core:
            await core.start(driver.run, read_table(store.meta_get("routing_table") or b""))
            async with trio.open_nursery() as rpc:
                await rpc.start(server.run, rpc_listeners)
                logger.info("ready registry=%s network=%s", short(key.public), settings.network.network)
                on_ready(
                    {
                        "event": "ready",
                        "registry_id": key.public.hex(),
                        "peer": config.endpoints[0],
                        "rpc": config.registry.rpc_url,
                    }
                )
                await told_to_stop.wait()
                logger.info("stopping")
                driver.tell_guests()
                server.stop()
            driver.stop()
        await transport.goodbye("stopping")


def _how_to_enter(network: NetworkFile) -> str:
    match network.admission:
        case Work(bits):
            return f"a registry's key needs {bits} bits of work; p2preg keygen --work {bits} makes one"
        case _:
            return "a registry needs a sponsor; p2preg sponsor signs, and --sponsor says so"


async def _obey_signals(told_to_stop: trio.Event, scope: trio.CancelScope) -> None:
    """The first signal asks for a clean end, the second ends everything at once."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            if told_to_stop.is_set():
                logger.warning("stopping at once")
                scope.cancel()
            told_to_stop.set()


def node_config(settings: NodeSettings, peer: Address, rpc: Address) -> NodeConfig:
    """What the core needs to know, now that the ports are known."""
    scheme = "wss" if settings.tls is not None else "ws"
    urls = settings.advertise_rpc or (f"{scheme}://{rpc}/",)
    given = Address(settings.rpc.host, rpc.port)  # perhaps a name
    names = (str(rpc), str(given), *map(authority_of, settings.advertise_rpc), *settings.authorities)
    return NodeConfig(
        endpoints=(str(settings.advertise or peer),),
        registry=RegistrySettings(
            rpc_url=urls[0],
            authorities=Authorities(tuple(dict.fromkeys(name.lower() for name in names)), rpc.port),
        ),
        seeds=settings.seeds,
        region=settings.region,
        sponsor=settings.sponsor,
    )


def rpc_config(settings: NodeSettings, config: NodeConfig) -> RpcConfig:
    """How the websocket server judges addresses."""
    return RpcConfig(
        exempt_loopback=config.registry.authorities.all_loopback,
        trusted_proxies=tuple(ipaddress.ip_network(cidr) for cidr in settings.trusted_proxies),
        tls=settings.tls,
    )


def authority_of(url: str) -> str:
    """The `host:port` that a client dials for a websocket URL, the default port written out."""
    scheme, _, rest = url.partition("://")
    authority = rest.split("/", 1)[0]
    has_port = authority.rpartition("]")[2].count(":") > 0
    return authority if has_port else f"{authority}:{443 if scheme == 'wss' else 80}"


async def _next_epoch(store: Store) -> int:
    """A number greater than in any run before, on disk before anybody hears it."""
    last = json.loads(store.meta_get(EPOCH_NAME) or b"0")
    epoch = max(int(last) + 1, unix_ms())
    await store.meta_put(EPOCH_NAME, json.dumps(epoch).encode())
    return epoch


def _restore(store: Store, network: NetworkFile) -> list[Cell]:
    """The cells on disk. Signatures are checked again only where a checksum fails: who can write there owns us."""
    cells = []
    for _, raw, intact in store.load_all():
        try:
            cell = parse_cell(raw, network)
        except RemoteProtocolError:
            continue  # of another network, or torn
        if intact or all(verify_all(cell.checks())):
            cells.append(cell)
    logger.info("restored cells=%s", len(cells))
    return cells
