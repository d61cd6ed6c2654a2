"""Our own registry cell: who we are and where we listen, signed again before it ends and whenever it must win."""

from __future__ import annotations

from typing import Any

from p2preg import __version__
from p2preg.base.limits import CELL_TEXT_MAX
from p2preg.cells.cell import REGISTRY, Cell, sign_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.node.config import NodeConfig

PROTOCOLS = (1, 1)  # the link protocol versions that we speak, least and greatest


class OwnCell:
    """The current one, and the making of the next."""

    def __init__(
        self, key: IdentityKey, network: NetworkFile, config: NodeConfig, epoch: int, held_seq: int, now_ms: int
    ) -> None:
        self._key = key
        self._network = network
        self._config = config
        self._epoch = epoch
        self.cell = self._sign(max(held_seq + 1, now_ms))

    @property
    def renew_at_ms(self) -> int:
        """When the next one is due: well before the current one ends in this network."""
        interval_ms = int(self._config.own_cell_interval * 1000)
        return self.cell.seq + min(interval_ms, self._network.lives[REGISTRY] // 3)

    def renew(self, above: int, now_ms: int) -> Cell:
        """A new one, greater than the current one and than `above`."""
        self.cell = self._sign(max(self.cell.seq + 1, above + 1, now_ms))
        return self.cell

    def _sign(self, seq: int) -> Cell:
        config = self._config
        body: dict[str, Any] = {
            "endpoints": list(config.endpoints),
            "rpc": config.registry.rpc_url,
            "software": {"name": "p2preg", "version": __version__},
            "protocols": list(PROTOCOLS),
            "epoch": self._epoch,
        }
        if config.region is not None:
            body["region"] = config.region
        if config.sponsor is not None:
            body["sponsor"] = list(config.sponsor)
        return sign_cell(self._key, self._network, self._key.public, REGISTRY, seq, body)


def endpoint_of(cell: Cell) -> str | None:
    """The first endpoint in a registry cell; None when it names none that can be read."""
    match cell.body.get("endpoints"):
        case [str(endpoint), *_] if 3 <= len(endpoint) <= 262 and ":" in endpoint:
            return endpoint
    return None


def text_of(cell: Cell, name: str) -> str:
    """A text of a registry cell's body; "" when it is none, or too long to be told to every client."""
    value = cell.body.get(name)
    return value if isinstance(value, str) and len(value) <= CELL_TEXT_MAX else ""


def epoch_of(cell: Cell) -> int:
    """The epoch in a registry cell; 0 when it cannot be read."""
    value = cell.body.get("epoch")
    return value if type(value) is int and value >= 0 else 0
