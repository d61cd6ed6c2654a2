"""The numbers of the Kademlia layer, each with its unit and origin. Caps stand in `base.limits`."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.errors import ConfigError

NODES_CELLS_MAX = 20  # what wire.messages.Nodes holds


@dataclass(frozen=True, slots=True)
class DhtConfig:
    """Durations are seconds."""

    k: int = 20  # bucket size and result count: the paper, section 2.2
    alpha: int = 3  # requests in flight while a lookup makes progress: the paper, section 2.3
    paths: int = 4  # disjoint ones in a caller's lookup, each with its own alpha: measured, docs/adr/0011
    circle: int = 60  # nearest contacts from which all paths but the first draw their starts: measured, docs/adr/0011
    rpc_timeout_initial: float = 1.0  # before a round trip was measured: RFC 6298 rule 2.1
    rpc_timeout_min: float = 0.3  # below it a busy peer looks dead
    rpc_timeout_max: float = 3.0  # above it a dead peer holds a lookup up
    dial_timeout: float = 5.0  # dialling and the answer together; a TLS handshake across the world takes under 1 s
    refresh_interval: float = 600.0  # go-libp2p's; the paper's hour is too slow for leases of minutes
    refresh_jitter: float = 0.2  # fraction either way, so that a network started at once spreads out
    bootstrap_retry: float = 5.0  # between refreshes while the table is empty: wild guess
    ping_after: float = 60.0  # a contact heard more recently is not pinged to make room: wild guess
    failures_max: int = 2  # consecutive, then the contact is evicted: the lower end of BEP 5's practice
    backoff_min: float = 10.0  # after the first failure; doubles with each further one: wild guess
    backoff_max: float = 600.0  # one refresh interval
    link_linger: float = 60.0  # a link dialled for a lookup is kept this long after its last use: wild guess

    def __post_init__(self) -> None:
        rules = (
            (1 <= self.alpha <= self.k <= NODES_CELLS_MAX, f"1 <= alpha <= k <= {NODES_CELLS_MAX}"),
            (1 <= self.paths <= self.k <= self.circle, "1 <= paths <= k <= circle"),
            (0 < self.rpc_timeout_min <= self.rpc_timeout_initial <= self.rpc_timeout_max, "rpc timeouts in order"),
            (self.rpc_timeout_max <= self.dial_timeout < self.link_linger, "rpc <= dial timeout < link linger"),
            (0 < self.backoff_min <= self.backoff_max, "0 < backoff_min <= backoff_max"),
            (0 <= self.refresh_jitter < 1 and self.refresh_interval > 0, "an interval above 0, a jitter below 1"),
            (self.bootstrap_retry > 0 and self.failures_max >= 1, "bootstrap_retry above 0, failures_max at least 1"),
        )
        for holds, rule in rules:
            if not holds:
                raise ConfigError(f"the DHT configuration needs {rule}")
