"""How busy a Media Node says it is: the load object of docs/rpc.md, and the page that carries it in integers.

A page is no cell: it rides in its home's signed batches, lives at most two minutes, and is never stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from p2preg.registry.attributes import Count
from p2preg.registry.units import UnixMs, from_micro, to_micro

LOAD_PAGE = 1
PAGE_LIFE_SECONDS = 120.0
PAGE_REFRESH_SECONDS = 45.0  # two refreshes may be lost before a page ends
Ratio = Annotated[float, Meta(ge=0, le=1000, description="1.0 is full; may exceed 1")]
_RATIOS = ("load", "cpu")


class LoadReport(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The load object: ratios as numbers, rates in bits per second."""

    load: Ratio | UnsetType = UNSET
    cpu: Ratio | UnsetType = UNSET
    participants: Count | UnsetType = UNSET
    rooms: Count | UnsetType = UNSET
    tracks_in: Count | UnsetType = UNSET
    tracks_out: Count | UnsetType = UNSET
    in_bps: Count | UnsetType = UNSET
    out_bps: Count | UnsetType = UNSET
    measured_ms: UnixMs | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class LoadPage:
    """A load as replicated: `body` in integers (ratios in millionths), ordered by the home's (epoch, counter)."""

    home: bytes
    order: tuple[int, int]
    body: dict[str, int]
    received: float
    age_at_receipt: float  # seconds between the measurement and its arrival here, by the home's clock


def body_of_load(report: LoadReport, now_ms: int) -> dict[str, int]:
    """The page body of a report; without `measured_ms` it was measured now."""
    body: dict[str, Any] = msgspec.to_builtins(report)
    for name in _RATIOS:
        if name in body:
            body[name] = to_micro(body[name])
    body.setdefault("measured_ms", now_ms)
    return body


class _Body(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What of a page's body is understood; a newer release may say more."""

    load: Count | UnsetType = UNSET
    cpu: Count | UnsetType = UNSET
    participants: Count | UnsetType = UNSET
    rooms: Count | UnsetType = UNSET
    tracks_in: Count | UnsetType = UNSET
    tracks_out: Count | UnsetType = UNSET
    in_bps: Count | UnsetType = UNSET
    out_bps: Count | UnsetType = UNSET
    measured_ms: Count | UnsetType = UNSET


def read_load_body(body: object) -> dict[str, int] | None:
    """The understood part of a page's body; None when it is no load."""
    try:
        known: dict[str, int] = msgspec.to_builtins(msgspec.convert(body, _Body))
    except msgspec.ValidationError:
        return None
    return known


def shown_load(page: LoadPage) -> dict[str, float | int]:
    """The load object as clients read it."""
    return {name: from_micro(value) if name in _RATIOS else value for name, value in page.body.items()}
