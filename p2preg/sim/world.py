"""A simulated world: registries, Media Nodes and clients on one virtual clock, everything drawn from one seed."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify
from p2preg.node.config import NodeConfig
from p2preg.registry.sessions import Authorities
from p2preg.registry.surroundings import RegistrySettings
from p2preg.sim.checks import check_each, check_host
from p2preg.sim.client import SimClient
from p2preg.sim.clock import Agenda, WallClock
from p2preg.sim.faults.hostile import Mouth, Twist
from p2preg.sim.host import Host
from p2preg.sim.links import Access
from p2preg.sim.media import MediaNode
from p2preg.sim.network import Network
from p2preg.sim.reading import shared_reading
from p2preg.sim.stranger import Stranger
from p2preg.sim.trace import Trace
from p2preg.sim.verifier import QuickVerifier

RPC_PORT = 8443
LATENCY = (0.005, 0.05)  # seconds one way: within a continent


class World:
    """The same seed and the same calls give the same `trace.digest()`.

    `codec`: messages travel as bytes, so that what has no encoding is noticed. `check`: look at every invariant of a
    registry after every so many events, which is slow; 0: never. `quick_signatures`: not Ed25519, but as hard to
    forge."""

    def __init__(
        self,
        seed: int,
        network_file: NetworkFile | None = None,
        *,
        latency: tuple[float, float] = LATENCY,
        codec: bool = True,
        check: int = 0,
        quick_signatures: bool = False,
    ) -> None:
        self.seed = seed
        self.network_file = network_file or NetworkFile.open("sim")
        self.agenda = Agenda()
        self.trace = Trace()
        self.network = Network(self.agenda, self._rng("network"), latency, codec=codec)
        self.hosts: list[Host] = []
        self.hostile: list[Host] = []
        self.nodes: list[MediaNode] = []
        self.strangers: list[Stranger] = []
        self._signatures = QuickVerifier() if quick_signatures else None
        self.reading = shared_reading(self.network_file, self._signatures or verify)
        self._after_event = check_each(check)
        self._sessions = itertools.count(1)

    @property
    def now(self) -> float:
        return self.agenda.now

    def _rng(self, name: str) -> Random:
        """Randomness of its own for everything that has a name, so that nothing depends on what else there is."""
        return Random(f"{self.seed} {name}")

    def key(self, name: str) -> IdentityKey:
        seed = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        return IdentityKey(seed) if self._signatures is None else self._signatures.key(seed)

    # --- who is there ---------------------------------------------------------------------------------------

    def add_registry(
        self, *seeds: Host | str, key: IdentityKey | None = None, start: bool = True, **settings: Any
    ) -> Host:
        """A registry that begins at `seeds`. `settings`: fields of its `NodeConfig` that differ from the default."""
        number = len(self.hosts)
        endpoint = f"10.{number >> 8}.{number & 255}.1:4010"
        host = self._make_host(f"registry {number}", endpoint, seeds, key, self.network, settings)
        self.hosts.append(host)
        if start:
            host.start()
        return host

    def add_hostile(self, twist: type[Twist], *seeds: Host | str) -> tuple[Host, Twist]:
        """A registry that does not keep to the protocol. It is none of `hosts`."""
        number = len(self.hostile)
        name = f"hostile {number}"
        key = self.key(name)
        lies = twist(key, self.network_file, WallClock(self.agenda), self._rng(f"{name} lies"))
        host = self._make_host(name, f"10.254.{number}.1:4010", seeds, key, Mouth(self.network, lies), {})
        self.hostile.append(host)
        host.start()
        return host, lies

    def _make_host(
        self,
        name: str,
        endpoint: str,
        seeds: Iterable[Host | str],
        key: IdentityKey | None,
        network: Access,
        settings: dict[str, Any],
    ) -> Host:
        authority = f"{name.replace(' ', '-')}.example:{RPC_PORT}"
        config = NodeConfig(
            endpoints=(endpoint,),
            registry=RegistrySettings(f"ws://{authority}/", Authorities((authority,), RPC_PORT)),
            seeds=tuple(seed.endpoint if isinstance(seed, Host) else seed for seed in seeds),
            **settings,
        )
        return Host(
            name,
            key or self.key(name),
            self.network_file,
            config,
            self._rng(name),
            self.agenda,
            network,
            self.trace,
            self.reading,
            self._after_event,
        )

    def add_registries(self, count: int, *, apart: float = 0.1) -> list[Host]:
        """So many registries, started `apart` seconds after each other, all with the first one for a seed."""
        hosts = []
        for _ in range(count):
            hosts.append(self.add_registry(*self.hosts[:1]))
            self.run(apart)
        return hosts

    def add_stranger(self, key: IdentityKey | None = None) -> Stranger:
        """A peer that says whatever it is told."""
        number = len(self.strangers)
        endpoint = f"10.255.{number}.1:4010"
        key = key or self.key(f"stranger {number}")
        stranger = Stranger(key, endpoint, self.network_file, self.network, WallClock(self.agenda))
        self.strangers.append(stranger)
        return stranger

    def add_client(self, host: Host) -> SimClient:
        """A session at `host`, open and not greeted yet."""
        number = next(self._sessions)
        nonce = self._rng(f"session {number}").randbytes(32)
        client = SimClient(host, number, self.agenda, self.trace, self.run_until, nonce)
        client.open()
        return client

    def add_node(self, home: Host | None = None, *, signed: bool = False, **attributes: Any) -> MediaNode:
        """A Media Node; with `home` it begins to register there."""
        name = f"node {len(self.nodes)}"
        node = MediaNode(
            name,
            self.key(name),
            self.network_file,
            self.agenda,
            self.add_client,
            attributes=attributes,
            signed=signed,
        )
        self.nodes.append(node)
        if home is not None:
            node.attach(home)
        return node

    def register(self, home: Host, count: int = 1, **attributes: Any) -> list[MediaNode]:
        """So many Media Nodes at `home`; the world runs until they are registered."""
        nodes = [self.add_node(home, **attributes) for _ in range(count)]
        self.run_until(lambda: all(node.registered for node in nodes), 10.0)
        return nodes

    def attach(self, node: MediaNode, home: Host, **more: Any) -> dict[str, Any]:
        """Move `node` to `home`, and let the world run until it is registered there."""
        node.attach(home, **more)
        self.run_until(lambda: node.registered or node.refused, 10.0)
        if node.refused is not None:
            raise node.refused
        assert node.registered is not None
        return node.registered

    @property
    def running(self) -> list[Host]:
        """The registries that run."""
        return [host for host in self.hosts if host.is_up]

    # --- faults ---------------------------------------------------------------------------------------------

    def partition(self, *groups: Iterable[Host]) -> None:
        """Nothing passes between these groups until `heal`. Registries in none of them reach everybody."""
        sides = [list(group) for group in groups]
        for number, side in enumerate(sides):
            for other in sides[:number]:
                self.network.cut(side, other)
                self.network.cut(other, side)

    def heal(self) -> None:
        self.network.heal()

    # --- time -----------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self.agenda.run(self.agenda.now + seconds)

    def run_until(self, condition: Callable[[], object], within: float) -> float:
        """Let time pass until `condition` holds; how many seconds that took. `AssertionError` when it does not come
        to hold `within` so many."""
        began = self.agenda.now
        while not condition():
            if not self.agenda.step(began + within):
                assert condition(), f"not within {within} s, in the world of seed {self.seed}"
        return self.agenda.now - began

    def check(self) -> None:
        """Every invariant of every registry that runs."""
        for host in self.running:
            check_host(host)
