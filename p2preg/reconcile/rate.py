"""A token bucket: so many requests a second, and what they cost beyond the usual is paid afterwards."""

from __future__ import annotations


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` a second."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """One token, if there is one."""
        return self._spend(now, down_to=0.0)

    def borrow(self, now: float) -> bool:
        """One token, or a debt of one; no more than `burst` is lent."""
        return self._spend(now, down_to=-self._burst)

    def charge(self, tokens: float) -> None:
        """Tokens for work already done. The debt stops growing at `burst`."""
        self._tokens = max(-self._burst, self._tokens - tokens)

    def _spend(self, now: float, down_to: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens - 1.0 < down_to:
            return False
        self._tokens -= 1.0
        return True
