"""The link table: one link per peer on both ends, and a peer that goes up and down exactly once each."""

from dataclasses import dataclass, field
from itertools import permutations

import pytest

from p2preg.base.errors import RemoteProtocolError
from p2preg.net.config import LinkConfig
from p2preg.net.handshake import LinkInfo, LinkRefused
from p2preg.net.links import LinkTable
from p2preg.wire.messages import Gossip, Hello, Message

ALICE, BOB, CAROL = b"a" * 32, b"b" * 32, b"c" * 32
CONFIG = LinkConfig()
LATER = CONFIG.race_seconds + 0.1


@dataclass
class Told:
    """A sink that keeps what it was told."""

    events: list[tuple[str, bytes]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def peer_up(self, link: LinkInfo) -> None:
        self.events.append(("up", link.peer))

    def peer_down(self, peer: bytes) -> None:
        self.events.append(("down", peer))

    def received(self, peer: bytes, message: Message) -> None:
        self.messages.append(message)

    def dial_failed(self, endpoint: str, expected_id: bytes | None, reason: str) -> None:
        raise AssertionError("the table does not dial")

    async def wait_ready(self) -> None:
        return


@dataclass(eq=False)
class FakeLink:
    """Stands in for `Link`: ends when it is told to, and tells its owner as `Link` does."""

    info: LinkInfo
    owner: LinkTable
    reason: str | None = None
    confirmed: bool = False
    told: bool = False

    def close(self, reason: str) -> None:
        self.abort(reason)

    def abort(self, reason: str) -> None:
        self.reason = self.reason or reason
        if not self.told:
            self.told = True
            self.owner.ended(self)  # type: ignore[arg-type]

    def retire(self, reason: str) -> None:
        self.reason = self.reason or reason

    def hear(self, message: Message) -> None:
        self.owner.received(self, message)  # type: ignore[arg-type]
        if not self.confirmed:
            self.confirmed = True
            self.owner.confirmed(self)  # type: ignore[arg-type]


class End:
    """One registry: its table, its sink, and links by direction."""

    def __init__(self, own_id: bytes, config: LinkConfig = CONFIG) -> None:
        self.sink = Told()
        self.table = LinkTable(own_id, self.sink, config)

    def add(self, peer: bytes, *, outbound: bool, epoch: int = 1, now: float = 0.0) -> FakeLink:
        info = LinkInfo(peer, outbound, "x:1", Hello(1, 1, "test", "", epoch, 0, b"c", [1]), 1, (1,))
        link = FakeLink(info, self.table)
        self.table.check_link(info)
        self.table.add(link, now)  # type: ignore[arg-type]
        self.table.check_invariants()
        return link


def test_a_peer_goes_up_and_down_once() -> None:
    alice = End(ALICE)
    link = alice.add(BOB, outbound=True)
    assert alice.table.get(BOB) is link
    link.abort("gone")
    assert alice.table.get(BOB) is None
    assert alice.sink.events == [("up", BOB), ("down", BOB)]


@pytest.mark.parametrize("order", [(True, False), (False, True)])
@pytest.mark.parametrize(("own", "peer", "kept_outbound"), [(ALICE, BOB, True), (BOB, ALICE, False)])
def test_of_two_links_the_one_that_the_smaller_id_dialled_is_kept(
    order: tuple[bool, bool], own: bytes, peer: bytes, kept_outbound: bool
) -> None:
    end = End(own)
    links = {outbound: end.add(peer, outbound=outbound, now=1.0) for outbound in order}
    kept, lost = links[kept_outbound], links[not kept_outbound]
    assert end.table.get(peer) is kept
    assert lost.reason is None  # the peer may not have the other one yet
    kept.hear(Gossip(b"x"))
    assert lost.reason == "the other link between us is kept"
    lost.abort("drained")
    assert end.table.get(peer) is kept
    assert end.sink.events == [("up", peer)]


def test_a_link_that_was_confirmed_before_the_race_lets_the_loser_go_at_once() -> None:
    alice = End(ALICE)
    alice.add(BOB, outbound=True).hear(Gossip(b"x"))
    assert alice.add(BOB, outbound=False).reason == "the other link between us is kept"


def test_what_the_loser_still_brings_is_received() -> None:
    alice = End(ALICE)
    loser = alice.add(BOB, outbound=False)
    winner = alice.add(BOB, outbound=True)
    winner.hear(Gossip(b"1"))
    loser.hear(Gossip(b"2"))
    assert alice.sink.messages == [Gossip(b"1"), Gossip(b"2")]


def test_when_the_winner_fails_before_the_peer_has_it_the_loser_goes_on() -> None:
    alice = End(ALICE)
    loser = alice.add(BOB, outbound=False)
    winner = alice.add(BOB, outbound=True)
    winner.abort("reset")
    assert alice.table.get(BOB) is loser
    assert alice.sink.events == [("up", BOB)]


def test_when_the_winner_fails_after_the_loser_was_let_go_the_peer_is_down() -> None:
    alice = End(ALICE)
    loser = alice.add(BOB, outbound=False)
    winner = alice.add(BOB, outbound=True)
    winner.hear(Gossip(b"1"))
    winner.abort("reset")
    loser.hear(Gossip(b"late"))
    assert alice.sink.events == [("up", BOB), ("down", BOB)]
    assert alice.sink.messages == [Gossip(b"1")]
    assert loser.told


def test_a_greater_epoch_means_that_the_peer_has_restarted() -> None:
    alice = End(ALICE)
    old = alice.add(BOB, outbound=True, epoch=1)
    new = alice.add(BOB, outbound=False, epoch=2)  # of one epoch the outbound one would be kept
    assert alice.table.get(BOB) is new
    assert old.reason == "the peer came back on a new link"
    assert alice.sink.events == [("up", BOB), ("down", BOB), ("up", BOB)]


def test_a_smaller_epoch_is_refused() -> None:
    alice = End(ALICE)
    alice.add(BOB, outbound=False, epoch=2)
    with pytest.raises(LinkRefused, match="newer process"):
        alice.add(BOB, outbound=False, epoch=1)


def test_a_second_link_in_the_same_direction_means_that_the_peer_lost_the_first() -> None:
    alice = End(ALICE)
    old = alice.add(BOB, outbound=False)
    new = alice.add(BOB, outbound=False, now=0.1)
    assert alice.table.get(BOB) is new
    assert old.told
    assert alice.sink.events == [("up", BOB), ("down", BOB), ("up", BOB)]


def test_so_does_a_second_link_long_after_the_first() -> None:
    alice = End(ALICE)
    old = alice.add(BOB, outbound=True)
    new = alice.add(BOB, outbound=False, now=LATER)
    assert (alice.table.get(BOB), old.reason) == (new, "the peer came back on a new link")
    assert alice.sink.events == [("up", BOB), ("down", BOB), ("up", BOB)]


def test_a_third_link_cuts_off_the_one_that_drains() -> None:
    alice = End(ALICE)
    kept = alice.add(BOB, outbound=True)
    kept.hear(Gossip(b"x"))
    spares = [alice.add(BOB, outbound=False) for _ in range(3)]
    assert [spare.told for spare in spares] == [True, True, False]
    assert alice.table.get(BOB) is kept
    assert alice.sink.events == [("up", BOB)]


def test_closing_ends_all_links_to_the_peer_and_says_so_once() -> None:
    alice = End(ALICE)
    links = [alice.add(BOB, outbound=False), alice.add(BOB, outbound=True)]
    alice.table.close(BOB, "misbehaved")
    assert all(link.told for link in links)
    for link in links:
        link.hear(Gossip(b"late"))
    alice.table.close(BOB, "misbehaved")
    assert alice.sink.events == [("up", BOB), ("down", BOB)]
    assert alice.sink.messages == []


def test_links_from_others_are_capped_and_our_own_dials_are_not() -> None:
    alice = End(ALICE, LinkConfig(links_max=1))
    alice.add(BOB, outbound=False)
    with pytest.raises(LinkRefused, match="1 links are up"):
        alice.add(CAROL, outbound=False)
    alice.add(CAROL, outbound=True)
    assert len(alice.table) == 2
    alice.add(BOB, outbound=False)  # a peer that is linked may always come back


def test_a_dial_that_could_only_lose_is_not_made() -> None:
    bob = End(BOB)
    bob.table.check_dial(ALICE, named=True)
    bob.add(ALICE, outbound=False)
    bob.add(CAROL, outbound=False)
    with pytest.raises(LinkRefused):
        bob.table.check_dial(ALICE, named=True)  # the smaller id dialled the one that is up
    bob.table.check_dial(CAROL, named=True)  # ours wins
    with pytest.raises(LinkRefused):
        bob.table.check_dial(CAROL, named=False)
    bob.add(CAROL, outbound=True)
    with pytest.raises(LinkRefused):
        bob.table.check_dial(CAROL, named=True)


def test_reaching_oneself_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="this registry itself"):
        End(ALICE).table.check_peer(ALICE)


# --- both ends together: two dials that cross, every order of what happens where -------------------------------

STEPS = ["alice sees hers", "alice sees his", "bob sees hers", "bob sees his"]


@pytest.mark.parametrize("order", list(permutations(STEPS)), ids=lambda order: ", ".join(order))
def test_whatever_the_order_both_ends_keep_the_same_link(order: tuple[str, ...]) -> None:
    """Messages cross at once, so the first one comes as soon as both ends have the link."""
    alice, bob = End(ALICE), End(BOB)
    hers: dict[str, FakeLink] = {}
    his: dict[str, FakeLink] = {}
    for step in order:
        name, whose = step.split(" sees ")
        end, peer = (alice, BOB) if name == "alice" else (bob, ALICE)
        ends = hers if whose == "hers" else his
        ends[name] = end.add(peer, outbound=(name == "alice") == (whose == "hers"))
        if len(ends) == 2:
            for link in ends.values():
                link.hear(Gossip(b"hello"))
        assert all(side.table.get(other) is not None for side, other in _ups(alice, bob))
    assert alice.table.get(BOB) is hers["alice"]
    assert bob.table.get(ALICE) is hers["bob"]
    assert his["alice"].reason is not None
    assert his["bob"].reason is not None
    assert (alice.sink.events, bob.sink.events) == ([("up", BOB)], [("up", ALICE)])


def _ups(alice: End, bob: End) -> list[tuple[End, bytes]]:
    """Ends that were told of their peer; the peer is still there."""
    return [(end, other) for end, other in ((alice, BOB), (bob, ALICE)) if end.sink.events]
