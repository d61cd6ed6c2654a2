"""The overlay's numbers, each with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.errors import ConfigError


@dataclass(frozen=True, slots=True)
class OverlayConfig:
    """Durations are seconds. "Paper": HyParView, DSN 2007. "Measured": our simulations."""

    active_max: int = 8  # places. Paper: 5; measured: 8 stayed connected through a crash of half the network
    inbound_max: int = 4  # places for peers that chose us, while others could be dialled. Half, as GossipSub's D_out;
    # of the places that near neighbours leave, as large a share
    near_wanted: int = 2  # peers at a short round trip that we look for. Measured: docs/adr/0013-near-neighbours.md
    near_max: int = 3  # places for such; the last is for one that asks us, or the odd one out would find nobody
    near_share: float = 0.5  # of the median round trip to the others: whoever is within it may have a near place
    near_gain: float = 0.7  # of the farthest near neighbour's round trip: within it, one takes its place. A choice of
    # ours, wide enough that jitter moves nobody
    near_probes: int = 3  # members dialled at a time to measure how near they are; each costs both a handshake
    near_pause_max: float = 600.0  # the longest between two rounds of probes, from shuffle_interval on. Guess
    passive_max: int = 64  # members. Paper: 30, of 10 000 nodes; more costs nothing here, where members are known
    active_random_walk_length: int = 6  # hops of a newcomer's cell (ARWL). Paper
    passive_random_walk_length: int = 3  # hops left when it enters passive views on the way (PRWL). Paper
    shuffle_walk_length: int = 6  # hops. Paper: as ARWL
    shuffle_active: int = 3  # cells of neighbours in a shuffle (k_a). Paper
    shuffle_passive: int = 4  # cells of the passive view in a shuffle (k_p). Paper
    shuffle_interval: float = 20.0  # ± jitter. Between partisan's 10 and iroh-gossip's 60
    shuffle_first: float = 2.0  # after the first member: early, for a newcomer knows little. Guess
    connect_timeout: float = 2.0  # for a link, then another peer is tried. A handshake takes three round trips
    neighbor_timeout: float = 2.0  # for the answer to a request. iroh-gossip: 0.5, in a data centre
    repair_pause_min: float = 0.1  # after a request in vain; doubles with each further one. Guess
    repair_pause_urgent: float = 15.0  # the longest, with less than half the places filled. A choice of ours
    repair_pause_max: float = 60.0  # the longest, otherwise: a full network is asked rarely. Guess
    failure_pause: float = 1.0  # before a peer that could not be reached is dialled again; doubles. Guess
    failure_pause_max: float = 30.0  # the longest. Bounds how long halves stay apart after a partition healed: with 60,
    # one of ten simulated networks of six registries took over 15 s to agree again
    decline_pause: float = 10.0  # before a peer that declined is asked again; doubles. GossipSub: 10 when leaving
    decline_pause_max: float = 300.0  # the longest, and between two attempts to replace an inbound neighbour. Guess
    has_ring: bool = True  # two neighbours in the order of ids; without them this is the paper's overlay
    ring_delay: float = 0.5  # from a change of the members to the ring's: they arrive in crowds. Guess
    invite_life: float = 10.0  # for the node to verify a newcomer's cell. Guess
    jitter: float = 0.25  # share by which every pause varies, so that peers fall out of step

    def validate(self) -> None:
        """`ConfigError` unless the numbers fit each other."""
        if not 1 <= self.inbound_max <= self.active_max <= self.passive_max:
            raise ConfigError("needed: 1 ≤ inbound_max ≤ active_max ≤ passive_max")
        if not 0 <= self.near_wanted <= self.near_max < self.active_max:
            raise ConfigError("needed: 0 ≤ near_wanted ≤ near_max < active_max, for chance keeps us connected")
        if not 0 < self.near_gain < 1 or not 0 < self.near_share < 1:
            raise ConfigError("near_gain and near_share are shares between 0 and 1")
        if not 0 <= self.passive_random_walk_length <= self.active_random_walk_length <= 255:
            raise ConfigError("needed: 0 ≤ passive_random_walk_length ≤ active_random_walk_length ≤ 255")
        if not 0 <= self.shuffle_active + self.shuffle_passive <= 11:
            raise ConfigError("a shuffle holds 12 cells, one of them our own")
        if not 0 < self.repair_pause_min <= self.repair_pause_urgent <= self.repair_pause_max:
            raise ConfigError("needed: 0 < repair_pause_min ≤ repair_pause_urgent ≤ repair_pause_max")
        if not 0 <= self.jitter < 1:
            raise ConfigError(f"jitter is a share below 1, got {self.jitter}")
