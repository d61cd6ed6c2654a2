"""The network between the machines: dials, links with latency, and what goes wrong with them.

It is the peer of `net.transport`: one link per pair, `LinkUp` and `LinkDown` alternate, and messages come only between
them. Below a link everything is TCP: in order, nothing lost; a path that stays cut ends the link as keep-alive would.
What may be lost is what a full outbox may drop: gossip and announcements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import FRAME_BYTES_MAX
from p2preg.node.events import OURSELVES, DialFailed, LinkDown, LinkUp, MessageReceived
from p2preg.sim.clock import Agenda
from p2preg.sim.links import Attempt, End, Link, Port
from p2preg.wire.messages import Gossip, Hello, IHave, Message, decode_message, encode_message

DIAL_LATENCIES = 2  # TCP and TLS; the two Hellos take the third and the fourth
CONNECT_SECONDS = 5.0  # until a dial that nobody answers has failed, as in net.config
SILENCE_SECONDS = (10.0, 15.0)  # until a keep-alive notices that a path is dead: a Pong that does not come, and before
# it up to one pause between Pings

Pair = tuple[bytes, bytes]


class Network:
    """`latency`: seconds one way, least and greatest, drawn once per pair; `jitter`: by which share of it a message may
    take longer. `loss`: the share of gossip that is dropped. `codec`: messages travel as bytes."""

    def __init__(self, agenda: Agenda, rng: Random, latency: tuple[float, float], *, codec: bool) -> None:
        self.loss = 0.0
        self.jitter = 0.0
        self.counts: Counter[str] = Counter()
        self._agenda = agenda
        self._rng = rng
        self._range = latency
        self._codec = codec
        self._ports: dict[str, Port] = {}
        self._aliases: dict[str, str] = {}
        self._dark: dict[str, None] = {}  # endpoints of machines without power: nothing answers, not even a refusal
        self._links: dict[Pair, Link] = {}
        self._latencies: dict[Pair, float] = {}
        self._delays: dict[Pair, float] = {}
        self._cut: dict[Pair, None] = {}  # (from, to)

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
        for link in self._links_of(port):
            link.ends[port.id] = End.DOWN
            if silent:
                self._agenda.after(self._rng.uniform(*SILENCE_SECONDS), self._end, link, link.other(port))
            else:
                self._transmit(link, link.other(port), partial(self._end, link, link.other(port)))
        self._forget(*self._links_of(port))

    def latency(self, a: Port, b: Port) -> float:
        """Seconds one way."""
        pair = _pair(a, b)
        if pair not in self._latencies:
            self._latencies[pair] = self._rng.uniform(*self._range)
        return self._latencies[pair]

    def round_trip_time(self, port: Port, peer: bytes) -> float | None:
        """Seconds of the link to `peer`; None without one."""
        link = self._link_of(port, peer)
        return None if link is None else 2 * self.latency(port, link.other(port))

    def linked(self, a: Port, b: Port) -> bool:
        """Whether both ends count a link as up."""
        link = self._links.get(_pair(a, b))
        return link is not None and all(end is End.UP for end in link.ends.values())

    # --- faults ---------------------------------------------------------------------------------------------

    def delay(self, sender: Port, receiver: Port, seconds: float) -> None:
        """Everything from `sender` to `receiver` takes so much longer, the order kept."""
        self._delays[sender.id, receiver.id] = seconds

    def cut(self, senders: Iterable[Port], receivers: Iterable[Port]) -> None:
        """Nothing passes from `senders` to `receivers` any more. TCP needs both directions, so links end too."""
        receivers = list(receivers)
        for sender in senders:
            for receiver in receivers:
                self._cut[sender.id, receiver.id] = None
        for link in self._links.values():
            if link.cut_at is None and self._is_cut(link):
                link.cut_at = self._agenda.now
                for port in (link.dialler, link.answerer):
                    silence = self._rng.uniform(*SILENCE_SECONDS)
                    self._agenda.after(silence, self._give_up, link, port, link.cut_at)

    def heal(self) -> None:
        """No path is cut any more. What waited on links that did not end is delivered: TCP sends it again."""
        self._cut.clear()
        for link in self._links.values():
            link.cut_at = None
            stuck, link.stuck = link.stuck, []
            for receiver, action in stuck:
                self._transmit(link, receiver, action)

    def _is_cut(self, link: Link) -> bool:
        a, b = link.ends
        return (a, b) in self._cut or (b, a) in self._cut

    def _give_up(self, link: Link, port: Port, cut_at: float) -> None:
        if link.cut_at == cut_at:
            self.counts["links cut"] += 1
            link.stuck.clear()
            self._end(link, port)

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
            self._agenda.after(self._range[0], self._fail, attempt, "connection refused")
        else:
            self._agenda.after(DIAL_LATENCIES * self.latency(dialler, answerer), self._arrive, attempt)

    def _port_at(self, endpoint: str) -> Port | None:
        return self._ports.get(self._aliases.get(endpoint, endpoint))

    def _is_apart(self, a: Port, b: Port) -> bool:
        return (a.id, b.id) in self._cut or (b.id, a.id) in self._cut

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
            for port in (link.dialler, link.answerer):
                self._end(link, port)
        self._establish(attempt, answerer, *hellos)

    def _establish(self, attempt: Attempt, answerer: Port, said: Hello, answered: Hello) -> None:
        self.counts["links"] += 1
        dialler = attempt.dialler
        link = Link.between(attempt, answerer, said.epoch)
        self._links[_pair(dialler, answerer)] = link
        up = LinkUp(answerer.id, True, attempt.endpoint, answered)
        self._transmit(link, dialler, partial(self._enter, link, dialler, up))
        self._enter(link, answerer, LinkUp(dialler.id, False, dialler.endpoint, said))

    def _enter(self, link: Link, port: Port, up: LinkUp) -> None:
        if link.ends[port.id] is End.COMING:
            link.ends[port.id] = End.UP
            port.post(up)

    def _fail(self, attempt: Attempt, reason: str) -> None:
        self.counts["dials failed"] += 1
        if attempt.is_alive:
            attempt.dialler.post(DialFailed(attempt.endpoint, attempt.expected, reason))

    # --- links ----------------------------------------------------------------------------------------------

    def send(self, sender: Port, receiver: bytes, message: Message) -> None:
        """Dropped when the sender has no link to the receiver."""
        link = self._link_of(sender, receiver)
        if link is None or link.ends[sender.id] is not End.UP:
            self.counts["unlinked"] += 1
            return
        self.counts["messages"] += 1
        if self.loss and isinstance(message, Gossip | IHave) and self._rng.random() < self.loss:
            self.counts["lost"] += 1
            return
        to, sent = link.other(sender), self._carried(message)
        self._transmit(link, to, partial(self._deliver, link, to, MessageReceived(sender.id, sent)))

    def close(self, port: Port, peer: bytes) -> None:
        """`port` parts from `peer`: for it the link is down at once, the peer hears of it when its turn has come."""
        link = self._link_of(port, peer)
        if link is not None and link.ends[port.id] is End.UP:
            other = link.other(port)
            self._transmit(link, other, partial(self._end, link, other))
            self._end(link, port)

    def _carried(self, message: Message) -> object:
        """The message as the other end reads it."""
        if not self._codec:
            return message
        body = encode_message(message)
        self.counts["bytes"] += len(body)
        assert len(body) <= FRAME_BYTES_MAX, f"{type(message).__name__} has {len(body)} bytes"
        return decode_message(body)

    def _transmit(self, link: Link, receiver: Port, action: Callable[[], None]) -> None:
        sender = link.other(receiver)
        if (sender.id, receiver.id) in self._cut:
            link.stuck.append((receiver, action))
            return
        seconds = self.latency(sender, receiver) * (1 + self.jitter * self._rng.random())
        arrival = self._agenda.now + seconds + self._delays.get((sender.id, receiver.id), 0.0)
        link.free_at[receiver.id] = max(link.free_at[receiver.id], arrival)
        self._agenda.at(link.free_at[receiver.id], action)

    def _deliver(self, link: Link, receiver: Port, event: MessageReceived) -> None:
        if link.ends[receiver.id] is End.UP:
            receiver.post(event)

    def _end(self, link: Link, port: Port) -> None:
        was, link.ends[port.id] = link.ends[port.id], End.DOWN
        self._forget(link)
        if was is End.UP:
            port.post(LinkDown(link.other(port).id))
        elif was is End.COMING and port is link.dialler:
            self._fail(link.attempt, "the connection broke")

    def _link_of(self, port: Port, peer: bytes) -> Link | None:
        link = self._links.get(_pair_of(port.id, peer))
        return link if link is not None and link.has(port) else None

    def _links_of(self, port: Port) -> list[Link]:
        return [link for link in self._links.values() if link.has(port)]

    def _forget(self, *links: Link) -> None:
        for link in links:
            pair = _pair(link.dialler, link.answerer)
            if link.is_gone and self._links.get(pair) is link:
                del self._links[pair]


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
    if link is not None and link.dialler.id == dialler.id and said.epoch < link.epoch:
        return "a newer process with the same identity is linked"
    try:
        answerer.check_hello(dialler.id, said)
        dialler.check_hello(answerer.id, answered)
    except RemoteProtocolError as error:
        return str(error)
    return None
