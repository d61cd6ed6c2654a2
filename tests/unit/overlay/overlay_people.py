"""Alice's overlay core and those around her, as its tests tell of them."""

from __future__ import annotations

from p2preg.base.effects import Connect, Send
from p2preg.base.events import PeerUp, Received
from p2preg.overlay.config import OverlayConfig
from p2preg.overlay.core import OverlayCore
from p2preg.wire.messages import Neighbor

CONFIG = OverlayConfig(jitter=0.0)
ALICE, BOB, CAROL, MALLORY = (name * 32 for name in (b"a", b"b", b"c", b"m"))


def cell_of(peer: bytes) -> bytes:
    return b"cell of " + peer


def crowd(count: int) -> list[bytes]:
    """Ids far from Alice's on the ring, apart from the first and the last."""
    return [b"p" + bytes([number]) * 31 for number in range(1, count + 1)]


def sent(effects: list[object], to: bytes | None = None) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, Send) and to in (None, effect.peer)]


def asked(effects: list[object]) -> list[bytes]:
    return [effect.peer for effect in effects if isinstance(effect, Connect)]


def befriend(
    core: OverlayCore, peer: bytes, now: float = 0.0, outbound: bool = False, round_trip: float | None = None
) -> list[object]:
    """`peer` links to us, or we to it for another core's sake, and asks for a place as one that is alone."""
    return core.handle(PeerUp(peer, outbound, round_trip), now) + core.handle(Received(peer, Neighbor(1)), now)


def full(core: OverlayCore, round_trip: float | None = None) -> list[bytes]:
    """Fill the active view: four that dialled us, four that we dialled."""
    friends = crowd(8)
    for at, peer in enumerate(friends):
        befriend(core, peer, outbound=at >= 4, round_trip=round_trip)
    assert list(core.active) == friends
    return friends
