"""One machine with a registry on it: what `net.driver` is under Trio, in virtual time.

Events are handled whole, one by one, and messages before timers, as there. The process can end and start again, with
or without its disk, and its event loop can stand still."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from p2preg.base.effects import Schedule, Send
from p2preg.base.events import Expired
from p2preg.base.timers import TimerQueue
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck
from p2preg.node.config import NodeConfig
from p2preg.node.contacts import read_table
from p2preg.node.core import NodeCore
from p2preg.node.effects import CloseLink, Dial, Forget, Halt, Log, Persist, Store, Verify
from p2preg.node.events import Shutdown, Stored, Verified
from p2preg.node.reading import Reading
from p2preg.registry.effects import Fail, Notify, Reply
from p2preg.registry.events import Stopping
from p2preg.sim.clock import Agenda, MonotonicClock, WallClock
from p2preg.sim.disk import WRITE_SECONDS, Disk
from p2preg.sim.links import Access
from p2preg.sim.trace import Trace
from p2preg.wire.messages import Hello, Message

VERIFY_SECONDS = 0.002  # of a thread, for a list of signatures: wild guess

Answer = Reply | Fail | Notify


class Host:
    """`name` is for people and traces, `id` the registry's. `node` is None while no process runs."""

    def __init__(
        self,
        name: str,
        key: IdentityKey,
        network_file: NetworkFile,
        config: NodeConfig,
        rng: Random,
        agenda: Agenda,
        network: Access,
        trace: Trace,
        reading: Reading,
        after_event: Callable[[Host], None],
    ) -> None:
        self.name = name
        self.id = key.public
        self.endpoint = config.endpoints[0]
        self.authority = config.registry.authorities.names[0]
        self.incarnation = 0
        self.clock = WallClock(agenda)
        self.monotonic = MonotonicClock(agenda, rng.randrange(1 << 20))
        self.disk = Disk(agenda, WRITE_SECONDS, on_failure=self._on_disk_failure)
        self.logged: deque[tuple[float, Log]] = deque(maxlen=1_000)
        self.halted: str | None = None
        self.sessions: dict[int, Callable[[Answer], None]] = {}
        self.on_down: list[Callable[[], None]] = []
        self._node: NodeCore | None = None
        self._key = key
        self._network_file = network_file
        self._config = config
        self._rng = rng
        self._agenda = agenda
        self._network = network
        self._trace = trace
        self.reading = reading
        self._after_event = after_event
        self._timers = TimerQueue()
        self._inbox: deque[object] = deque()
        self._busy = False
        self._stalled_until = 0.0
        self._event_seconds = 0.0
        self._wakes_at = math.inf

    def __repr__(self) -> str:
        return f"Host[{self.name} {'up' if self.is_up else 'down'}]"

    @property
    def is_up(self) -> bool:
        return self._node is not None

    @property
    def node(self) -> NodeCore:
        assert self._node is not None, f"{self.name} is down"
        return self._node

    @property
    def now(self) -> float:
        """By its monotonic clock, as its cores are told."""
        return self.monotonic.now

    # --- its life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a process, with what the disk holds."""
        assert self._node is None
        epoch = max(int(self.disk.values.get("epoch", b"0")) + 1, self.clock.now_ms)
        self.disk.values["epoch"] = b"%d" % epoch
        self._node = NodeCore(
            self._key,
            self._network_file,
            self._config,
            self,
            Random(self._rng.getrandbits(64)),
            epoch,
            self.now,
            self.clock.now_ms,
            list(self.disk.cells.values()),
            self.reading,
        )
        self._network.attach(self)
        anchors = read_table(self.disk.values.get("routing_table", b""))
        self._carry_out(self._node.start(anchors, self.now, self.clock.now_ms))
        self._turn()

    def crash(self, *, silent: bool = False) -> None:
        """The process ends without a word; `silent`: the machine too, so that no kernel tells its peers."""
        self.disk.crash()
        self._network.detach(self, silent=silent)
        self._node = None
        self.incarnation += 1
        self._timers = TimerQueue()
        self._inbox.clear()
        self._stalled_until = 0.0
        self._wakes_at = math.inf
        self.sessions.clear()
        parting, self.on_down = self.on_down, []
        for part in parting:
            part()

    def stop(self) -> None:
        """End as on SIGTERM: tell the guests, then the peers, then go."""
        self._handle(Stopping())
        self._handle(Shutdown())
        self.disk.flush()
        self.crash()

    def stall(self, seconds: float) -> None:
        """Its event loop stands still: what comes meanwhile waits."""
        self._stalled_until = max(self._stalled_until, self._agenda.now + seconds)
        self._agenda.at(self._stalled_until, self._resume, self.incarnation)

    def slow_down(self, seconds: float) -> None:
        """From now on its event loop takes so long for each event; 0: no time at all."""
        self._event_seconds = seconds

    def drift(self, parts_per_million: float) -> None:
        """From now on its clocks gain so much."""
        self.clock.drift(parts_per_million)
        self.monotonic.drift(parts_per_million)

    # --- the loop -------------------------------------------------------------------------------------------

    def post(self, event: object) -> None:
        """Handle `event`, when it is its turn; lost when no process runs."""
        if self._node is not None:
            self._inbox.append(event)
            self._turn()

    def _turn(self) -> None:
        if self._busy or self._agenda.now < self._stalled_until:
            return
        self._busy = True
        while self._inbox and self._node is not None:
            self._handle(self._inbox.popleft())
            if self._event_seconds:
                self.stall(self._event_seconds)
                break
        self._busy = False

    def _set_timer(self, timer: tuple[object, ...], at: float) -> None:
        self._timers.set(timer, at)
        if at < self._wakes_at:
            self._sleep_until(at)

    def _sleep_until(self, deadline: float) -> None:
        self._wakes_at = deadline
        if deadline < math.inf:
            self._agenda.at(self.monotonic.when(deadline), self._wake, self.incarnation, deadline)

    def _wake(self, incarnation: int, deadline: float) -> None:
        if deadline == self._wakes_at:
            self._resume(incarnation)

    def _resume(self, incarnation: int) -> None:
        if incarnation != self.incarnation or self._agenda.now < self._stalled_until:
            return
        self._turn()
        for timer in list(self._timers.pop_due(self.now)):
            self.post(Expired(timer))
        self._sleep_until(self._timers.next_deadline())

    def _handle(self, event: object) -> None:
        self._trace.note(self._agenda.now, self.name, event)
        self._carry_out(self.node.handle(event, self.monotonic.now, self.clock.now_ms))
        self._after_event(self)

    # --- carrying out ---------------------------------------------------------------------------------------

    def _carry_out(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case Send(peer, message):
                    assert isinstance(message, Message)
                    self._network.send(self, peer, message)
                case Schedule(at, timer):
                    self._set_timer(timer, at)
                case Reply() | Fail() | Notify():
                    self._answer(effect)
                case Store(token, cells):
                    self.disk.put(cells, None if token is None else partial(self.post, Stored(token)))
                case Forget(cells):
                    self.disk.delete(cells)
                case Persist(name, value):
                    self.disk.put_value(name, value)
                case Verify(token, checks):
                    self._verify(token, checks)
                case Dial(endpoint, expected):
                    self._network.dial(self, endpoint, expected)
                case CloseLink(peer, _):
                    self._network.close(self, peer)
                case Log():
                    self.logged.append((self._agenda.now, effect))
                case Halt(reason):
                    self._agenda.at(self._agenda.now, self._halt, reason, self.incarnation)
                case _:
                    raise AssertionError(f"no rule for {effect!r}")

    def _answer(self, effect: Answer) -> None:
        take = self.sessions.get(effect.session)
        if take is not None:
            take(effect)

    def _verify(self, token: int, checks: tuple[SignatureCheck, ...]) -> None:
        verdict = Verified(token, [self.reading.verify(check) for check in checks])
        self._agenda.after(VERIFY_SECONDS, self._post_in, self.incarnation, verdict)

    def _post_in(self, incarnation: int, event: object) -> None:
        if incarnation == self.incarnation:
            self.post(event)

    def _on_disk_failure(self) -> None:
        """The disk refuses to write: the driver ends the process."""
        if self.is_up:
            self.halted = "the store cannot be written"
            self.crash()

    def _halt(self, reason: str, incarnation: int) -> None:
        if incarnation == self.incarnation:
            self.halted = reason
            self.crash()

    # --- what the network and the core ask ------------------------------------------------------------------

    def hello(self) -> Hello:
        return self.node.hello(self.clock.now_ms)

    def check_hello(self, peer: bytes, hello: Hello) -> None:
        self.node.check_hello(peer, hello)

    def round_trip_time_s(self, peer: bytes) -> float | None:
        return self._network.round_trip_time(self, peer)

    def store_bytes(self) -> int:
        return self.disk.size_bytes()
