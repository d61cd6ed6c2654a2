"""The network between the machines: who can be dialled, the links that come of it, and what cuts them.

It is the peer of `net.transport`: one link per pair, `LinkUp` and `LinkDown` alternate, and messages come only between
them. A path that stays cut ends its link, as the keep-alive would."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from random import Random

from p2preg.base.errors import RemoteProtocolError
from p2preg.node.events import OURSELVES, DialFailed, LinkDown, LinkUp
from p2preg.sim.carriage import Carriage
from p2preg.sim.clock import Agenda
from p2preg.sim.links import Attempt, End, Link, Port, Side
from p2preg.sim.paths import Pair, Paths
from p2preg.wire.messages import Hello

DIAL_LATENCIES = 2  # TCP and TLS; the two Hellos take the third and the fourth
CONNECT_SECONDS = 5.0  # until a dial that nobody answers has failed, as in net.config
SILENCE_SECONDS = (10.0, 15.0)  # until a keep-alive notices that a path is dead: a Pong that does not come, and before
# it up to one pause between Pings


class Network(Carriage):
    """`latency`: seconds one way, least and greatest, drawn once per pair. The rest is as for `Carriage`."""

    def __init__(self, agenda: Agenda, rng: Random, latency: tuple[float, float], *, codec: bool) -> None:
        super().__init__(agenda, rng, codec=codec)
        self._paths = Paths(rng, latency)
        self._refusal_seconds = latency[0]
        self._ports: dict[str, Port] = {}
        self._aliases: dict[str, str] = {}
        self._dark: dict[str, None] = {}  # endpoints of machines without power: nothing answers, not even a refusal
        self._links: dict[Pair, Link] = {}  # the smaller id first

    # --- machines -------------------------------------------------------------------------------------------

    def attach(self, port: Port) -> None:
        """From now on it can be dialled."""
        self._ports[port.endpoint] = port
        self._dark.pop(port.endpoint, None)

    def alias(self, name: str, port: Port) -> None:
        """It can be dialled as `name`, too."""
        self._aliases[name] = port.endpoint

    def detach(self, port: Port, *, silent: bool) -> None:
        """Its process has ended: the kernel says so to its peers, unless the machine is `silent` as well."""
        del self._ports[port.endpoint]
        if silent:
            self._dark[port.endpoint] = None
        links = [link for link in self._links.values() if link.has(port)]
        for link in links:
            side = link.side_of(port)
            side.state = End.DOWN
            self._part(link, side, silent=silent)
        self._forget(*links)

    def latency(self, a: Port, b: Port) -> float:
        """Seconds from `a` to `b`."""
        return self._paths.between(a, b).seconds

    def round_trip_time(self, port: Port, peer: bytes) -> float | None:
        """Seconds of the link to `peer`; None without one."""
        side = self._side_of(port, peer)
        return None if side is None else side.path.seconds + side.other.path.seconds

    def linked(self, a: Port, b: Port) -> bool:
        """Whether both ends count a link as up."""
        link = self._links.get(_pair(a, b))
        return link is not None and link.is_up

    def links(self) -> list[tuple[Port, Port]]:
        """The ends of all links that both count as up."""
        return [(link.dialler.port, link.answerer.port) for link in self._links.values() if link.is_up]

    # --- faults of paths ------------------------------------------------------------------------------------

    def delay(self, sender: Port, receiver: Port, seconds: float) -> None:
        """Everything from `sender` to `receiver` takes so much longer, the order kept."""
        path = self._paths.between(sender, receiver)
        path.seconds = path.base + seconds

    def disturb(
        self, senders: Iterable[Port], receivers: Iterable[Port], *,
        loss: float = 0.0, duplication: float = 0.0, reordering: float = 0.0,
    ) -> None:  # fmt: skip
        """As the attributes of these names, but only from these senders to these receivers."""
        for path in self._paths.across(senders, receivers):
            path.loss, path.duplication, path.reordering = loss, duplication, reordering
            path.judge()

    def throttle(self, senders: Iterable[Port], receivers: Iterable[Port], rate: float | None) -> None:
        """These receivers read no more than `rate` bytes a second of each of these senders. The rest waits in the
        sender's outbox, which is bounded. None: as fast as it comes."""
        for path in self._paths.across(senders, receivers):
            path.rate = rate
            path.judge()
        for side in self._sides.values():
            if side.bottleneck is not None and side.path.rate is None:
                side.bottleneck.open_up()
                side.bottleneck = None

    def cut(self, senders: Iterable[Port], receivers: Iterable[Port]) -> None:
        """Nothing passes from `senders` to `receivers` until `mend`, or `heal`. TCP needs both directions, so links
        end too."""
        for path in self._paths.across(senders, receivers):
            path.cuts += 1
            path.judge()
        for link in self._links.values():
            if link.cut_at is None and link.is_cut:
                link.cut_at = self._agenda.now
                for side in link.sides:
                    silence = self._rng.uniform(*SILENCE_SECONDS)
                    self._agenda.after(silence, self._give_up, link, side, link.cut_at)

    def mend(self, senders: Iterable[Port], receivers: Iterable[Port]) -> None:
        """Take one `cut` back. What waited on links that did not end is delivered: TCP sends it again."""
        for path in self._paths.across(senders, receivers):
            path.cuts = max(0, path.cuts - 1)
            path.judge()
        self._resume_links()

    def heal(self) -> None:
        """No path is cut any more."""
        for path in self._paths:
            path.cuts = 0
            path.judge()
        self._resume_links()

    def _resume_links(self) -> None:
        for link in self._links.values():
            if not link.is_cut:
                link.cut_at = None
            for side in link.sides:
                if side.stuck and not side.path.cuts:
                    stuck, side.stuck = side.stuck, []
                    for action in stuck:
                        self._transmit(side, action)

    def _give_up(self, link: Link, side: Side, cut_at: float) -> None:
        if link.cut_at == cut_at:
            self.counts["links cut"] += 1
            self._end(link, side)
            side.stuck.clear()
            self._part(link, side, silent=False)  # which arrives if the path is mended before the other end gives up

    def reset(self, a: Port, b: Port) -> bool:
        """Both ends lose their link at once, with all that is under way. Whether there was one."""
        link = self._links.get(_pair(a, b))
        if link is None or not link.is_up:
            return False
        self.counts["resets"] += 1
        for side in link.sides:
            self._end(link, side)
        return True

    def break_half(self, port: Port, other: Port) -> bool:
        """`port` loses its link to `other`, who does not notice before its keep-alive does. Whether there was one."""
        link = self._links.get(_pair(port, other))
        if link is None or not link.is_up:
            return False
        self.counts["half-open"] += 1
        side = link.side_of(port)
        self._end(link, side)
        self._part(link, side, silent=True)
        return True

    # --- dialling -------------------------------------------------------------------------------------------

    def dial(self, dialler: Port, endpoint: str, expected: bytes | None) -> None:
        """`LinkUp` or `DialFailed` follows, unless a link to `expected` is, or comes, up anyhow."""
        self.counts["dials"] += 1
        attempt = Attempt(dialler, dialler.incarnation, endpoint, expected)
        answerer = self._port_at(endpoint)
        apart = answerer is not None and self._is_apart(dialler, answerer)
        if apart or self._aliases.get(endpoint, endpoint) in self._dark:
            self._agenda.after(CONNECT_SECONDS, self._fail, attempt, "no connection in time")
        elif answerer is None:
            self._agenda.after(self._refusal_seconds, self._fail, attempt, "connection refused")
        else:
            self._agenda.after(DIAL_LATENCIES * self.latency(dialler, answerer), self._arrive, attempt)

    def _port_at(self, endpoint: str) -> Port | None:
        return self._ports.get(self._aliases.get(endpoint, endpoint))

    def _is_apart(self, a: Port, b: Port) -> bool:
        return self._paths.between(a, b).cuts > 0 or self._paths.between(b, a).cuts > 0

    def _arrive(self, attempt: Attempt) -> None:
        dialler, answerer = attempt.dialler, self._port_at(attempt.endpoint)
        if not attempt.is_alive:
            return
        if answerer is None or self._is_apart(dialler, answerer):
            self._fail(attempt, "the connection broke")
            return
        link = self._links.get(_pair(dialler, answerer))
        if link is not None and link.is_whole and link.has(dialler) and link.has(answerer):
            if attempt.expected is None:
                self._fail(attempt, "a link to this peer is up already")
            return
        hellos = dialler.hello(), answerer.hello()
        refusal = _refusal(attempt, answerer, link, *hellos)
        if refusal is not None:
            self._fail(attempt, refusal)
            return
        if link is not None:  # one end has not noticed yet that the other is gone, or two processes have one key
            for side in link.sides:
                self._end(link, side)
        self._establish(attempt, answerer, *hellos)

    def _establish(self, attempt: Attempt, answerer: Port, said: Hello, answered: Hello) -> None:
        self.counts["links"] += 1
        dialler = attempt.dialler
        paths = self._paths.between(dialler, answerer), self._paths.between(answerer, dialler)
        link = Link.between(attempt, answerer, said.epoch, *paths)
        self._links[_pair(dialler, answerer)] = link
        self._sides[dialler.id, answerer.id], self._sides[answerer.id, dialler.id] = link.sides
        round_trip = sum(path.seconds for path in paths)
        up = LinkUp(answerer.id, True, attempt.endpoint, answered, round_trip)
        self._transmit(link.answerer, partial(self._enter, link.dialler, up))
        self._enter(link.answerer, LinkUp(dialler.id, False, dialler.endpoint, said, round_trip))

    def _enter(self, side: Side, up: LinkUp) -> None:
        if side.state is End.COMING:
            side.state = End.UP
            side.port.post(up)

    def _fail(self, attempt: Attempt, reason: str) -> None:
        self.counts["dials failed"] += 1
        if attempt.is_alive:
            attempt.dialler.post(DialFailed(attempt.endpoint, attempt.expected, reason))

    # --- the end of a link ----------------------------------------------------------------------------------

    def close(self, port: Port, peer: bytes) -> None:
        """`port` parts from `peer`: for it the link is down at once, the peer hears of it when its turn has come."""
        side = self._side_of(port, peer)
        if side is not None and side.state is End.UP:
            link = self._links[_pair_of(port.id, peer)]
            self._part(link, side, silent=False)
            self._end(link, side)

    def _part(self, link: Link, side: Side, *, silent: bool) -> None:
        """The other end hears that `side` has parted; `silent`: only by its keep-alive."""
        if silent:
            self._agenda.after(self._rng.uniform(*SILENCE_SECONDS), self._end, link, side.other)
        else:
            self._transmit(side, partial(self._end, link, side.other))

    def _end(self, link: Link, side: Side) -> None:
        was, side.state = side.state, End.DOWN
        self._forget(link)
        if was is End.UP:
            side.port.post(LinkDown(side.other.port.id))
        elif was is End.COMING and side is link.dialler:
            self._fail(link.attempt, "the connection broke")

    def _side_of(self, port: Port, peer: bytes) -> Side | None:
        side = self._sides.get((port.id, peer))
        return side if side is not None and side.port is port else None

    def _forget(self, *links: Link) -> None:
        for link in links:
            a, b = link.dialler.port, link.answerer.port
            if link.is_gone and self._links.get(_pair(a, b)) is link:
                del self._links[_pair(a, b)], self._sides[a.id, b.id], self._sides[b.id, a.id]


def _pair(a: Port, b: Port) -> Pair:
    return _pair_of(a.id, b.id)


def _pair_of(a: bytes, b: bytes) -> Pair:
    return (a, b) if a < b else (b, a)


def _refusal(attempt: Attempt, answerer: Port, link: Link | None, said: Hello, answered: Hello) -> str | None:
    """Why there will be no link instead of `link`; None when there will."""
    dialler = attempt.dialler
    if dialler is answerer:
        return OURSELVES
    if attempt.expected not in (None, answerer.id):
        return "another identity answered"
    if link is not None and link.dialler.port.id == dialler.id and said.epoch < link.epoch:
        return "a newer process with the same identity is linked"
    try:
        answerer.check_hello(dialler.id, said)
        dialler.check_hello(answerer.id, answered)
    except RemoteProtocolError as error:
        return str(error)
    return None
