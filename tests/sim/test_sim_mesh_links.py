"""Links of a mesh: when a dial succeeds, is refused, or finds nobody who could refuse it."""

from __future__ import annotations

import pytest

from p2preg.base.events import ConnectFailed, PeerDown, PeerUp
from p2preg.overlay.events import Member
from p2preg.sim.mesh.links import CONNECT_SECONDS, DIAL_LATENCIES, RELEASED_SECONDS, Links
from p2preg.sim.mesh.mesh import Mesh
from p2preg.sim.mesh.peer import MeshPeer

LATENCY = 0.02  # seconds one way


class Telling:
    """Two registries whose overlays are told nothing: what they would hear is in `told`."""

    def __init__(self) -> None:
        self.mesh = Mesh(1, 2)
        self.told: list[tuple[int, object, float]] = []  # whom, what, when
        self.links = Links(self.mesh.agenda, lambda a, b: LATENCY, self.tell, lambda peer: Member(peer.id, "", ""))

    def tell(self, peer: MeshPeer, event: object) -> None:
        if not isinstance(event, Member):
            self.told.append((peer.number, event, round(self.mesh.now, 6)))


@pytest.mark.parametrize(("silent", "after"), [(False, DIAL_LATENCIES * LATENCY), (True, CONNECT_SECONDS)])
def test_the_dead_are_noticed_at_once_where_a_kernel_refuses_and_late_where_none_is_left(
    silent: bool, after: float
) -> None:
    telling = Telling()
    caller, dead = telling.mesh.peers
    telling.mesh.crash([dead], silent=silent)
    telling.links.connect(caller, dead)
    telling.mesh.run(2 * CONNECT_SECONDS)
    assert telling.told == [(caller.number, ConnectFailed(dead.id), pytest.approx(after))]


def test_a_link_closes_when_neither_end_wants_it_any_more() -> None:
    telling = Telling()
    caller, other = telling.mesh.peers
    telling.links.connect(caller, other)
    telling.mesh.run(1.0)
    assert [event for _, event, _ in telling.told] == [
        PeerUp(caller.id, False, 2 * LATENCY),
        PeerUp(other.id, True, 2 * LATENCY),
    ]
    telling.told.clear()
    telling.links.connect(other, caller)
    assert telling.told == [(other.number, PeerUp(caller.id, False, 2 * LATENCY), 1.0)]
    telling.links.release(caller, other.id)
    telling.mesh.run(2 * RELEASED_SECONDS)
    assert caller.links, "the other end holds it"
    telling.told.clear()
    telling.links.release(other, caller.id)
    telling.mesh.run(2 * RELEASED_SECONDS)
    assert {event for _, event, _ in telling.told} == {PeerDown(caller.id), PeerDown(other.id)}
