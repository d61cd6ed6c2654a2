"""Which registry next, and when: in the order given, then those that registries told of, round and round; after a
round in vain with growing pauses. Jitter everywhere: ten thousand clients of one registry lose it at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

import trio

from p2preg.base.errors import ConfigError
from p2preg.base.limits import CLIENT_CANDIDATES_MAX
from p2preg.client.replies import RegistryUrl
from p2preg.client.websocket import parse_url

PAUSE_FIRST = 0.5  # seconds after the first round in vain; doubles each round
PAUSE_MOST = 30.0
JITTER = 0.2  # seconds at most before the next in a round
STABLE_SECONDS = 10.0  # at one registry, and earlier failures are forgotten


class Candidates:
    """The registries to try, as URLs, and a place in that round."""

    def __init__(self, given: Sequence[str]) -> None:
        """`ConfigError` without a URL, and for what is none."""
        self._given = list(dict.fromkeys(parse_url(url).url for url in given))
        if not self._given:
            raise ConfigError("the URL of at least one registry is needed")
        self._learned: dict[str, None] = {}
        self._preferred: str | None = None
        self.current = self._given[0]

    def __len__(self) -> int:
        return len(self._given) + len(self._learned)

    def learn(self, registries: Iterable[RegistryUrl]) -> None:
        """Registries that another one told of; what is no URL is passed over."""
        for registry in registries:
            try:
                url = parse_url(registry.rpc).url
            except ConfigError:
                continue
            if url in self._given:
                continue
            self._learned.pop(url, None)
            self._learned[url] = None
            if len(self._learned) > CLIENT_CANDIDATES_MAX:
                self._learned.pop(next(iter(self._learned)))

    def others(self) -> list[str]:
        """All but the current one, in the order in which they would be tried."""
        urls = [*self._given, *self._learned]
        at = urls.index(self.current) if self.current in urls else -1
        return [url for url in urls[at + 1 :] + urls[: max(at, 0)] if url != self.current]

    def prefer(self, url: str) -> None:
        """`url` shall be the next one, out of turn."""
        self._preferred = url

    def advance(self) -> None:
        """The next one is current; the same again when there is no other."""
        self.current = self._preferred or next(iter(self.others()), self.current)
        self._preferred = None


class Failover:
    """The candidates, and the pauses between them."""

    def __init__(self, registries: Sequence[str], rng: Random) -> None:
        self.candidates = Candidates(registries)
        self._rng = rng
        self._failures = 0

    def stayed(self, seconds: float) -> None:
        """A registry was held for so long."""
        if seconds >= STABLE_SECONDS:
            self._failures = 0

    async def next(self) -> None:
        """Wait as long as is decent; then the next candidate is current."""
        self._failures += 1
        self.candidates.advance()
        await trio.sleep(self._pause())

    def _pause(self) -> float:
        rounds, within = divmod(self._failures, len(self.candidates))
        if within:
            return self._rng.uniform(0.0, JITTER)
        return min(PAUSE_MOST, PAUSE_FIRST * 2.0 ** min(rounds - 1, 16)) * self._rng.uniform(0.5, 1.0)
