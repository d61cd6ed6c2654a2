"""One group, one vote: reporters that share an address prefix, or one key where prefixes tell nothing apart.

A vote weighs the same however much was reported: whoever lies has all the samples it wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p2preg.qos.reporter import Reporter, Share
from p2preg.qos.spread import Spreads, median, mix
from p2preg.qos.summary import Summary


@dataclass(frozen=True, slots=True)
class Vote:
    """The median quality of a group's members, in milli-points, and their spreads in equal parts."""

    members: tuple[tuple[Reporter, Share], ...]
    quality_mp: int
    spreads: Spreads


def votes_of(reporters: Iterable[Reporter], span_s: int, now_ms: int) -> list[Vote]:
    """The vote of each group that has reported within the span."""
    groups: dict[str, list[tuple[Reporter, Share]]] = {}
    for reporter in reporters:
        share = reporter.share(span_s, now_ms)
        if share is not None:
            groups.setdefault(reporter.group, []).append((reporter, share))
    return [_vote(tuple(members)) for members in groups.values()]


def summary_of(votes: Sequence[Vote]) -> Summary | None:
    """This registry's word on a node; None without votes."""
    if not votes:
        return None
    shares = [share for vote in votes for _, share in vote.members]
    return Summary(
        groups=len(votes),
        reporters=len(shares),
        reports=sum(share.reports for share in shares),
        score_mp=median((vote.quality_mp, 1) for vote in votes),
        spreads=mix([(1, vote.spreads) for vote in votes]),
    )


def _vote(members: tuple[tuple[Reporter, Share], ...]) -> Vote:
    quality = median((share.quality_mp, 1) for _, share in members)
    return Vote(members, quality, mix([(1, share.spreads) for _, share in members]))
