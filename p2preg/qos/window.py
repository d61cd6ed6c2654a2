"""One report as kept: what a reporter's samples say of one node in one window of time, by kind of media."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2preg.qos.emodel import quality_mp
from p2preg.qos.sample import Kind, Sample
from p2preg.qos.spread import Spreads, spread_of

KINDS: tuple[Kind, ...] = ("audio", "video")
LONG_MS = 5 * 60_000  # of the contract, as is the next
OLD_MS = 10 * 60_000
AHEAD_MS = 2_000  # a reporter's clock against ours, `session.hello` gave it ours; more would let it claim the future


@dataclass(frozen=True, slots=True)
class Part:
    """The samples of one kind. The quality is that of their medians: one sample is one user's stream, and the trouble
    of a few users is rather their own than the node's."""

    kind: Kind
    samples: int
    spreads: Spreads
    jitter_us: int | None
    quality_mp: int


@dataclass(frozen=True, slots=True)
class Window:
    """From `start_ms` to before `end_ms`. The quality is the mean over the samples of both kinds."""

    start_ms: int
    end_ms: int
    parts: tuple[Part, ...]
    quality_mp: int


def refuse_window(start_ms: int, end_ms: int, now_ms: int) -> str | None:
    """Why no report can have this window, as a dotted reason; None when it can."""
    if end_ms <= start_ms:
        return "window.empty"
    if end_ms - start_ms > LONG_MS:
        return "window.long"
    if end_ms > now_ms + AHEAD_MS:
        return "window.future"
    if end_ms < now_ms - OLD_MS:
        return "window.old"
    return None


def window_of(start_ms: int, end_ms: int, samples: Sequence[Sample]) -> Window:
    """The window in which `samples`, at least one, were taken."""
    parts = tuple(
        _part(kind, [sample for sample in samples if sample.kind == kind])
        for kind in KINDS
        if any(sample.kind == kind for sample in samples)
    )
    quality = sum(part.quality_mp * part.samples for part in parts) // len(samples)
    return Window(start_ms, end_ms, parts, quality)


def _part(kind: Kind, samples: Sequence[Sample]) -> Part:
    round_trip_time = spread_of((s.round_trip_time_us, 1) for s in samples if s.round_trip_time_us is not None)
    lost = spread_of((s.fraction_lost_ppm, 1) for s in samples if s.fraction_lost_ppm is not None)
    bitrate = spread_of((s.bitrate_bps, 1) for s in samples if s.bitrate_bps is not None)
    jitter = spread_of((s.jitter_us, 1) for s in samples if s.jitter_us is not None)
    medians = [spread and spread[1] for spread in (round_trip_time, jitter, lost, bitrate)]
    return Part(
        kind, len(samples), Spreads(round_trip_time, lost, bitrate), jitter and jitter[1], quality_mp(kind, *medians)
    )
