"""A peer that follows no protocol: it has a key and a link, and says what it is told to say."""

from __future__ import annotations

from p2preg.base.events import Received
from p2preg.cells.cell import REGISTRY, sign_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.node.events import LinkDown, LinkUp
from p2preg.sim.clock import WallClock
from p2preg.sim.host import Host
from p2preg.sim.network import Network
from p2preg.wire.messages import Hello, Message

HEARD_MAX = 1_000


class Stranger:
    """`heard`: the last messages that it was sent. `cell`: its registry cell, which it shows when it says hello."""

    def __init__(
        self, key: IdentityKey, endpoint: str, network_file: NetworkFile, network: Network, clock: WallClock
    ) -> None:
        self.key = key
        self.id = key.public
        self.endpoint = endpoint
        self.incarnation = 0
        self.heard: list[object] = []
        self.links: dict[bytes, None] = {}
        body = {"endpoints": [endpoint], "epoch": 1}
        self.cell = sign_cell(key, network_file, key.public, REGISTRY, clock.now_ms, body)
        self._network = network
        self._clock = clock
        network.attach(self)

    def dial(self, host: Host) -> None:
        self._network.dial(self, host.endpoint, host.id)

    def say(self, host: Host, message: Message) -> None:
        """Send anything that has an encoding. Lost when there is no link."""
        self._network.send(self, host.id, message)

    # --- as the network sees it -----------------------------------------------------------------------------

    def post(self, event: object) -> None:
        match event:
            case LinkUp(peer):
                self.links[peer] = None
            case LinkDown(peer):
                self.links.pop(peer, None)
            case Received(_, message):
                self.heard = [*self.heard[1 - HEARD_MAX :], message]

    def hello(self) -> Hello:
        return Hello(1, 1, self.cell.network, "stranger", 1, self._clock.now_ms, self.cell.raw, [1, 2, 3])

    def check_hello(self, peer: bytes, hello: Hello) -> None:
        """Everybody is welcome."""
