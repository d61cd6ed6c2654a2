"""An iterative lookup (the Kademlia paper, section 2.3) over disjoint paths, as a state machine that its owner feeds.

There are no rounds: each answer, failure or deadline frees its own place at once, so a dead peer stalls nobody. It
sends nothing and measures nothing; the answers it is fed may come from liars, and bound the work all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from p2preg.base.limits import LOOKUP_CANDIDATES_MAX, LOOKUP_REQUESTS_MAX
from p2preg.dht.config import DhtConfig
from p2preg.dht.contact import Contact
from p2preg.dht.path import SILENT, Bounds, Candidate, Path, State


@dataclass(frozen=True, slots=True)
class LookupResult:
    """`closest`: the peers nearest to the target that answered, nearest first. `hops`: those that led to the nearest
    (0: it was known at the start). `asked`: requests tried. `found`: the target itself answered. `depth`: the longest
    chain of requests of which each follows from the answer to the one before, so many round trips at least."""

    closest: tuple[Contact, ...] = ()
    hops: int = 0
    asked: int = 0
    found: bool = False
    depth: int = 0


class Lookup:
    """Finds the k peers nearest to `target`. `starts`: whom each path knows at first. `patience`: how many seconds a
    peer gets to answer. Contacts are those that the owner has verified and is willing to ask, at first and in answers.

    Each path asks what is nearest in its own view, k divided by the number of paths wide. When none has anyone left to
    ask, the rest of the neighbourhood is asked: the k nearest that any of them has heard of and all within `radius`,
    where k are to be expected; if there are more, somebody may have put them there to hide the others."""

    def __init__(
        self,
        target: bytes,
        own_public_key: bytes,
        starts: Sequence[Sequence[Contact]],
        config: DhtConfig,
        patience: Callable[[bytes], float],
        radius: int = 0,
    ) -> None:
        self.target = target
        self._goal = int.from_bytes(target)
        self._own_public_key = own_public_key
        self._k = config.k
        self._patience = patience
        self._radius = radius
        self._taken: dict[bytes, Path] = {}
        self._paths = [self._set_out(start, len(starts), config.alpha) for start in starts]
        self._is_plain = len(starts) < 2 and radius == 0  # one path, whose front then is the neighbourhood
        self._moved = True  # since it was last asked whom to ask
        self._done: bool | None = None  # None: to be found out

    def _set_out(self, start: Iterable[Contact], paths: int, alpha: int) -> Path:
        """One of so many paths: fewer are wider each."""
        width = -(-self._k // paths)
        bounds = Bounds(width, min(alpha, width), LOOKUP_REQUESTS_MAX // paths, LOOKUP_CANDIDATES_MAX // paths)
        path = Path(bounds, self._taken)
        path.hear((contact, self._distance(contact)) for contact in self._news(start, path))
        return path

    def _news(self, contacts: Iterable[Contact], path: Path) -> list[Contact]:
        """Those of whom `path` has not heard, each once, and never ourselves."""
        news = {each.public_key: each for each in contacts if each.public_key not in path}
        news.pop(self._own_public_key, None)
        return list(news.values())

    def _distance(self, contact: Contact) -> int:
        return int.from_bytes(contact.routing_id) ^ self._goal

    # --- whom to ask ----------------------------------------------------------------------------------------

    def next(self, now: float) -> list[Contact]:
        """Whom to ask now. Each is asked once, and has until its deadline to answer."""
        chosen: list[Contact] = []
        while self._moved:
            self._moved = False
            chosen += self._deal(now)
        return chosen

    def _deal(self, now: float) -> list[Contact]:
        """One contact for each path that has room, so that none takes all of the nearest."""
        dealt, exploring = [], False
        for path in self._paths:
            unasked, waiting = path.front()
            exploring |= unasked is not None
            if unasked is not None and path.has_room(waiting):
                dealt.append(self._ask(path, unasked, now))
        return dealt if exploring or self._is_plain else self._close(now)

    def _close(self, now: float) -> list[Contact]:
        """Those of the neighbourhood whom nobody has asked, the farthest first: who hides others is the nearer."""
        front = self._neighbourhood()
        room = self._k - sum(each.state is State.WAITING for _, each in front)
        unasked = [(path, each) for path, each in reversed(front) if each.state is State.HEARD][: max(0, room)]
        return [self._ask(path, each, now) for path, each in unasked if not path.is_spent]

    def _ask(self, path: Path, candidate: Candidate, now: float) -> Contact:
        peer = candidate.contact.public_key
        path.ask(peer, now + self._patience(peer))
        self._move()
        return candidate.contact

    def _neighbourhood(self) -> list[tuple[Path, Candidate]]:
        """Whom any path has asked or still can ask, those aside that did not answer: the k nearest and all within the
        radius. Only they, and the fronts of the paths, are waited for."""
        found: list[tuple[Path, Candidate]] = []
        for path, candidate in self._nearest():
            if candidate.state not in SILENT:
                if len(found) >= self._k and candidate.distance > self._radius:
                    break
                found.append((path, candidate))
        return found

    def _nearest(self) -> Iterator[tuple[Path, Candidate]]:
        """Everyone heard of, once, nearest first: with the path that asked, else with the first that can."""
        for _, key in sorted(dict.fromkeys(chain.from_iterable(self._paths))):
            able = (path for path in self._paths if key in path and not path.is_spent)
            path = self._taken.get(key) or next(able, None)
            if path is not None:
                yield path, path[key]

    # --- what comes of it -----------------------------------------------------------------------------------

    def on_answer(self, peer: bytes, contacts: Sequence[Contact]) -> None:
        """`peer` named `contacts`; in time or late makes no difference. From one that was not asked: ignored."""
        path = self._open(peer)
        if path is not None:
            named = self._news(contacts[: self._k], path)
            path.on_answer(peer, [(each, self._distance(each)) for each in named])
            self._move()

    def on_failure(self, peer: bytes) -> None:
        """`peer` cannot be asked, or its link went down: nothing more comes from it."""
        path = self._open(peer)
        if path is not None:
            path.on_silence(peer, State.FAILED)
            self._move()

    def expire(self, now: float) -> None:
        """Stop waiting for those whose deadline has passed."""
        for peer, path in self._taken.items():
            if path[peer].state is State.WAITING and path[peer].deadline <= now:
                path.on_silence(peer, State.UNRESPONSIVE)
                self._move()

    def _move(self) -> None:
        self._moved, self._done = True, None

    def _open(self, peer: bytes) -> Path | None:
        """The path that asked `peer` and has neither an answer nor a failure."""
        path = self._taken.get(peer)
        return path if path is not None and path[peer].state in (State.WAITING, State.UNRESPONSIVE) else None

    @property
    def done(self) -> bool:
        """The neighbourhood as far as it may still be alive, and the nearest of each path, have all answered, or the
        requests are used up."""
        if self._done is None:
            fronts = [path.front() for path in self._paths]
            self._done = all(unasked is None and waiting == 0 for unasked, waiting in fronts) and (
                self._is_plain or all(candidate.state is State.ANSWERED for _, candidate in self._neighbourhood())
            )
        return self._done

    @property
    def result(self) -> LookupResult:
        """What is known by now."""
        answered = [candidate for _, candidate in self._nearest() if candidate.state is State.ANSWERED]
        if not answered:
            return LookupResult(asked=len(self._taken))
        closest, depth = answered[: self._k], 1 + max(candidate.hops for candidate in answered)
        found = closest[0].distance == 0
        return LookupResult(tuple(each.contact for each in closest), closest[0].hops, len(self._taken), found, depth)

    def check_invariants(self) -> None:
        for path in self._paths:
            path.check_invariants()
        assert sum(path.asked for path in self._paths) == len(self._taken) <= LOOKUP_REQUESTS_MAX
