"""What a node is started with. One frozen object; everything in it was judged by the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2preg.broadcast.config import BroadcastConfig
from p2preg.dht.config import DhtConfig
from p2preg.overlay.config import OverlayConfig
from p2preg.reconcile.config import ReconcileConfig
from p2preg.registry.surroundings import RegistrySettings


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """`endpoints`: where peers dial us, "host:port". `seeds`: where we begin. `sponsor`: [key, signature] for networks
    that ask for one. Durations are seconds."""

    endpoints: tuple[str, ...]
    registry: RegistrySettings
    seeds: tuple[str, ...] = ()
    region: str | None = None
    sponsor: tuple[bytes, bytes] | None = None
    dht: DhtConfig = field(default_factory=DhtConfig)
    overlay: OverlayConfig = field(default_factory=OverlayConfig)
    broadcast: BroadcastConfig = field(default_factory=BroadcastConfig)
    reconcile: ReconcileConfig = field(default_factory=ReconcileConfig)
    own_cell_interval: float = 600.0  # a third of a registry cell's default life; never more than a third of its life
    own_cell_spread: float = 60.0  # docs/architecture.md, Liveness: one batch a minute carries the registry cell
    reconcile_interval: float = 30.0  # docs/architecture.md, Spreading and repair, ± 50 %
    dial_backoff_min: float = 0.5
    dial_backoff_max: float = 30.0
    idle_link: float = 60.0  # a link that no core needs is closed after so long: wild guess
