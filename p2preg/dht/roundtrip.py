"""How long to wait for an answer over one link: RFC 6298's estimator, with bounds for a DHT instead of TCP's second."""

from __future__ import annotations

from p2preg.dht.config import DhtConfig

SMOOTHING = 1 / 8  # RFC 6298 rule 2.3
VARIANCE_SMOOTHING = 1 / 4
VARIANCES = 4


class RoundTrip:
    """`timeout`: seconds, the smoothed round trip and four times its mean deviation, within the configured bounds."""

    def __init__(self, config: DhtConfig) -> None:
        self._config = config
        self._smoothed: float | None = None
        self._deviation = 0.0
        self.timeout = config.rpc_timeout_initial

    def sample(self, seconds: float) -> None:
        """An answer took this long. Requests are numbered, so a late answer is as good a sample as any."""
        if self._smoothed is None:
            self._smoothed, self._deviation = seconds, seconds / 2
        else:
            self._deviation += VARIANCE_SMOOTHING * (abs(self._smoothed - seconds) - self._deviation)
            self._smoothed += SMOOTHING * (seconds - self._smoothed)
        self._set(self._smoothed + VARIANCES * self._deviation)

    def back_off(self) -> None:
        """No answer in time: RFC 6298 rule 5.5."""
        self._set(self.timeout * 2)

    def _set(self, seconds: float) -> None:
        self.timeout = min(max(seconds, self._config.rpc_timeout_min), self._config.rpc_timeout_max)
