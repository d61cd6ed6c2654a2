"""Who did not answer lately, how often in a row, and when it may be tried again."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.bounded import BoundedDict
from p2preg.base.limits import DHT_FAILURES_MAX
from p2preg.dht.config import DhtConfig


@dataclass(frozen=True, slots=True)
class Failure:
    """`count` in a row; `since`: the first of them; `retry_at`: left alone until then."""

    count: int
    since: float
    retry_at: float


class Failures:
    """At most `DHT_FAILURES_MAX` peers; a success clears its peer."""

    def __init__(self, config: DhtConfig) -> None:
        self._config = config
        self._failures: BoundedDict[bytes, Failure] = BoundedDict(DHT_FAILURES_MAX)

    def __len__(self) -> int:
        return len(self._failures)

    def __contains__(self, peer: object) -> bool:
        """Whether the last exchange with `peer` failed."""
        return isinstance(peer, bytes) and peer in self._failures

    def note(self, peer: bytes, now: float) -> Failure:
        """One more failure, unless it is part of the last one: two lookups that miss the same answer are one miss."""
        last = self._failures.get(peer)
        if last is not None and now < last.retry_at:
            return last
        count = 1 if last is None else last.count + 1
        # The exponent is bounded, for a float cannot hold 2 to any count.
        wait = min(self._config.backoff_min * 2.0 ** min(count - 1, 32), self._config.backoff_max)
        failure = Failure(count, now if last is None else last.since, now + wait)
        self._failures.set(peer, failure)
        return failure

    def clear(self, peer: bytes) -> None:
        self._failures.pop(peer)

    def is_resting(self, peer: bytes, now: float) -> bool:
        """Whether it failed so lately that it is not tried again yet."""
        failure = self._failures.get(peer)
        return failure is not None and now < failure.retry_at

    def resting(self, now: float) -> dict[bytes, None]:
        """All that are not tried again yet."""
        return dict.fromkeys(peer for peer, failure in self._failures.items() if now < failure.retry_at)
