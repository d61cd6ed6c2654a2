"""One sample of a report: W3C `getStats` names and floats at the door, integers behind it (docs/rpc.md, QoS).

A float becomes an integer by its shortest decimal form, rounded half to even. Fields not named here are ignored."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any, Literal

from p2preg.base.errors import RemoteProtocolError

Kind = Literal["audio", "video"]

MICRO = 1_000_000
ROUND_TRIP_TIME_MAX_S = 60  # of the contract
JITTER_MAX_S = 60  # as for the round trip: more is a unit mistaken
BITRATE_MAX_BPS = 10**12  # no stream has a terabit a second
PACKETS_MAX = 2**53  # what a JSON number holds exactly
DIRECTIONS = ("send", "receive")


class SampleInvalid(RemoteProtocolError):
    """A sample that can't be. `reason`: sample.type, .kind, .direction, .out_of_range or .empty."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of one stream; None: not measured. Microseconds, millionths, bits per second."""

    kind: Kind
    round_trip_time_us: int | None = None
    jitter_us: int | None = None
    fraction_lost_ppm: int | None = None
    bitrate_bps: int | None = None


def parse_sample(raw: Any) -> Sample:
    """The sample in what JSON decoded to; `SampleInvalid` for anything else. Lost packets are used only when the
    fraction is not given, and fewer than none count as none (W3C allows a negative number)."""
    if not isinstance(raw, dict):
        raise SampleInvalid("sample.type", f"an object was expected, got {type(raw).__name__}")
    kind = _kind(raw)
    if "direction" in raw and raw["direction"] not in DIRECTIONS:
        raise SampleInvalid("sample.direction", f"direction is one of {', '.join(DIRECTIONS)}")
    bitrate = _number(raw, "bitrate", 0, BITRATE_MAX_BPS)
    lost = _number(raw, "fractionLost", 0, 1, MICRO)
    round_trip_time = _number(raw, "roundTripTime", 0, ROUND_TRIP_TIME_MAX_S, MICRO)
    jitter = _number(raw, "jitter", 0, JITTER_MAX_S, MICRO)
    packets_lost = _number(raw, "packetsLost", -PACKETS_MAX, PACKETS_MAX)
    packets_received = _number(raw, "packetsReceived", 0, PACKETS_MAX)
    if bitrate is None and lost is None and round_trip_time is None:
        raise SampleInvalid("sample.empty", "at least one of bitrate, fractionLost and roundTripTime was expected")
    if lost is None:
        lost = _fraction_lost_ppm(packets_lost, packets_received)
    return Sample(kind, round_trip_time, jitter, lost, bitrate)


def _kind(raw: dict[Any, Any]) -> Kind:
    match raw.get("kind"):
        case "audio":
            return "audio"
        case "video":
            return "video"
    raise SampleInvalid("sample.kind", "kind is audio or video")


def _number(raw: dict[Any, Any], name: str, low: int, high: int, scale: int = 1) -> int | None:
    """The field times `scale` as an integer; None when it is absent."""
    if name not in raw:
        return None
    value = raw[name]
    if type(value) is not int and type(value) is not float:
        raise SampleInvalid("sample.type", f"{name}: a number was expected, got {type(value).__name__}")
    if not low <= value <= high:  # also false for NaN
        raise SampleInvalid("sample.out_of_range", f"{name}: from {low} to {high} was expected")
    return int((Decimal(repr(value)) * scale).to_integral_value(ROUND_HALF_EVEN))


def _fraction_lost_ppm(lost: int | None, received: int | None) -> int | None:
    if lost is None or received is None:
        return None
    lost = max(0, lost)
    return round(Fraction(lost * MICRO, lost + received)) if lost + received else None
