"""Where each registry can be dialled, and whether it is worth dialling now."""

from __future__ import annotations

from dataclasses import dataclass

from p2preg.base.bounded import BoundedDict
from p2preg.base.limits import ADDRESSES_MAX


@dataclass(slots=True)
class Address:
    """`failures` in a row; not dialled before `retry_at`, nor linked with before `shunned_until`. `dialling`: a dial
    is under way."""

    endpoint: str
    failures: int = 0
    retry_at: float = 0.0
    dialling: bool = False
    shunned_until: float = 0.0


class Addresses:
    """Endpoints by public key, with back-off. Bounded: the registry heard of longest ago goes."""

    def __init__(self, backoff_min: float, backoff_max: float) -> None:
        self._backoff_min = backoff_min
        self._backoff_max = backoff_max
        self._known: BoundedDict[bytes, Address] = BoundedDict(ADDRESSES_MAX)

    def learn(self, peer: bytes, endpoint: str) -> None:
        """A verified registry cell says that `peer` listens at `endpoint`."""
        known = self._known.get(peer)
        if known is None or known.endpoint != endpoint:
            shunned_until = known.shunned_until if known is not None else 0.0
            self._known.set(peer, Address(endpoint, retry_at=shunned_until, shunned_until=shunned_until))

    def endpoint(self, peer: bytes) -> str | None:
        known = self._known.get(peer)
        return known.endpoint if known else None

    def start_dial(self, peer: bytes, now: float) -> str | None:
        """The endpoint to dial now; None when none is known, it failed lately, or a dial is under way."""
        known = self._known.get(peer)
        if known is None or known.dialling or now < known.retry_at:
            return None
        known.dialling = True
        return known.endpoint

    def is_dialling(self, peer: bytes) -> bool:
        known = self._known.get(peer)
        return known is not None and known.dialling

    def succeeded(self, peer: bytes) -> None:
        known = self._known.get(peer)
        if known is not None:
            known.dialling = False
            known.failures = 0
            known.retry_at = 0.0

    def failed(self, peer: bytes, now: float) -> None:
        known = self._known.get(peer)
        if known is not None:
            known.dialling = False
            known.failures += 1
            wait = min(self._backoff_max, self._backoff_min * 2 ** min(known.failures - 1, 10))
            known.retry_at = now + wait

    def shun(self, peer: bytes, now: float) -> None:
        """It broke the protocol: not linked with for the longest back-off."""
        known = self._known.get(peer)
        if known is not None:
            known.retry_at = known.shunned_until = now + self._backoff_max

    def is_shunned(self, peer: bytes, now: float) -> bool:
        """Whether it broke the protocol a while ago: not linked with, whoever dials."""
        known = self._known.get(peer)
        return known is not None and now < known.shunned_until
