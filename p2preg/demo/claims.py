"""What the demo claims to prove, each line computed from what was measured. Pure functions from figures to verdicts:
a claim that does not hold says what was expected and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VISIBLE_SECONDS_MAX = 5.0  # acknowledgement → visible at every registry; on an idle machine some milliseconds
SUSPECT_SECONDS_MAX = 3.0  # socket closed → out of answers everywhere
EXPIRED_SECONDS = (14.0, 30.0)  # the design's 15 s of grace, and room for a busy machine
FAILOVER_SECONDS_MAX = 15.0
LEAVE_SECONDS_MAX = 6.0  # five are promised, and the clock here runs on while the machine is busy
MEMORY_MIB_MAX = 256.0  # of one registry of this size
LIARS_POINTS_MAX = 10.0
HONEST_POINTS_MIN = 15.0  # by which the scores of a good and of a bad node differ


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the summary. `said`: the figures; of a claim that does not hold, what was expected and seen."""

    name: str
    holds: bool
    said: str


@dataclass(frozen=True, slots=True)
class View:
    """What one registry shows of all Media Nodes: how many, and the digest of their versions."""

    registry: str
    count: int
    digest: str


def judged(name: str, holds: bool, said: str, expected: str) -> Claim:
    """A claim; `expected` is only said of one that does not hold."""
    return Claim(name, holds, said if holds else f"expected {expected}; saw {said}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def duration(seconds: float) -> str:
    """Three digits are enough for a person."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def spread(values: Sequence[float]) -> str:
    """The middle and the worst of some durations."""
    return f"p50 {duration(percentile(values, 0.5))}, worst {duration(max(values))}"


# --- the lines ----------------------------------------------------------------------------------------------------


def formed(hears: Mapping[str, int], synced: Mapping[str, bool], seconds: float) -> Claim:
    """From one seed, each registry hears all others and is synced."""
    others = len(hears) - 1
    holds = all(count == others for count in hears.values()) and all(synced[name] for name in hears)
    complete = sum(count == others for count in hears.values())
    said = f"{complete} of {len(hears)} hear all {others} others"
    said += f", {sum(synced.values())} synced, after {duration(seconds)}"
    return judged("one seed makes a network", holds, said, f"{len(hears)} of {len(hears)}, all synced")


def visible_everywhere(
    acknowledged: Sequence[str], shown: Mapping[str, Mapping[str, object]], views: Sequence[View]
) -> Claim:
    """Every acknowledged registration is at every registry, and the registries agree to the last bit."""
    missing = {name: sum(node not in nodes for node in acknowledged) for name, nodes in shown.items()}
    absent = sum(missing.values())
    seen = f"{len(acknowledged)} acknowledged, {absent} missing at {len(shown)} registries, {agreement(views)}"
    holds = absent == 0 and len(acknowledged) > 0 and agree(views)
    return judged("acknowledged = visible everywhere", holds, seen, "none missing and equal digests")


def agree(views: Sequence[View]) -> bool:
    """Whether all show the same nodes in the same versions."""
    return len({(view.count, view.digest) for view in views}) == 1


def agreement(views: Sequence[View]) -> str:
    """The digests in a few words."""
    if agree(views):
        return f"all {len(views)} digests {views[0].digest[:8]}"
    return "digests " + ", ".join(f"{view.registry} {view.count}×{view.digest[:8]}" for view in views)


def visible_soon(delays: Sequence[float]) -> Claim:
    """From each acknowledgement until each registry has it."""
    name = "visible at all registries"
    if not delays:
        return Claim(name, False, "expected registrations to be seen; saw none")
    said = f"{spread(delays)} after the acknowledgement"
    return judged(name, max(delays) <= VISIBLE_SECONDS_MAX, said, f"at most {VISIBLE_SECONDS_MAX:.0f} s")


def discovered(query: str, wanted: Sequence[str], answers: Mapping[str, Sequence[str]]) -> Claim:
    """Every registry answers a filter with exactly those nodes that match by their own attributes."""
    right = sum(sorted(answer) == sorted(wanted) for answer in answers.values())
    said = f"{query}: {len(wanted)} nodes, {right} of {len(answers)} registries right"
    return judged("discovery by attributes", right == len(answers) > 0, said, "each to answer what the attributes say")


def crashed(seconds: Mapping[str, float | None], nodes: int) -> Claim:
    """From the cut of the sockets until each registry calls the nodes suspect; None: it never did."""
    return _everywhere("crash noticed", seconds, SUSPECT_SECONDS_MAX, f"{nodes} suspect")


def drained(seconds: Mapping[str, float | None]) -> Claim:
    """From the answer to node.drain until no registry offers the node any more."""
    return _everywhere("a draining node is offered no more", seconds, SUSPECT_SECONDS_MAX, "out of answers")


def _everywhere(name: str, seconds: Mapping[str, float | None], limit: float, what: str) -> Claim:
    known = [value for value in seconds.values() if value is not None]
    holds = len(known) == len(seconds) > 0 and max(known) <= limit
    worst = f" after {duration(max(known))}" if known else ""
    said = f"{what} at {len(known)} of {len(seconds)} registries{worst}"
    return judged(name, holds, said, f"all within {limit:.0f} s")


def expired(seconds: Mapping[str, float | None], nodes: int) -> Claim:
    """From the crash until each registry has given the nodes up: not before the grace is over, and soon after it."""
    known = [value for value in seconds.values() if value is not None]
    low, high = EXPIRED_SECONDS
    holds = len(known) == len(seconds) > 0 and low <= min(known) and max(known) <= high
    when = f" {duration(max(known))} after the crash" if known else ""
    said = f"{nodes} expired at {len(known)} of {len(seconds)} registries{when}"
    return judged("a crash is final after 15 s", holds, said, f"all between {low:.0f} and {high:.0f} s")


def failed_over(guests: int, moved: Sequence[float], live: int) -> Claim:
    """From the kill of a home until its nodes were registered at others, and how many of them stayed in answers."""
    said = f"{len(moved)} of {guests} registered elsewhere"
    if moved:
        said += f" within {duration(max(moved))}"
    said += f", {live} of {guests} live in answers"
    holds = len(moved) == guests > 0 and max(moved) <= FAILOVER_SECONDS_MAX and live == guests
    return judged("kill -9: nodes fail over", holds, said, f"all within {FAILOVER_SECONDS_MAX:.0f} s")


def came_back(same_id: bool, epochs: tuple[int, int], returned: int, late: int, seconds: float) -> Claim:
    """The killed registry is the same one, in a new epoch, and takes registrations that all others see."""
    said = (
        f"{'same' if same_id else 'another'} id, epoch {'greater' if epochs[1] > epochs[0] else 'not greater'}, "
        f"{returned} of {late} new Media Nodes registered there, {duration(seconds)} after the start"
    )
    holds = same_id and epochs[1] > epochs[0] and returned == late
    return judged("restart: the registry returns", holds, said, "same id, greater epoch, and registrations taken")


def resumed(seconds: float | None, own: View, registry: View) -> Claim:
    """The Orchestrator went on at another registry from what it held; None: it never got there."""
    holds = seconds is not None and agree([own, registry])
    when = f"synced elsewhere after {duration(seconds)}" if seconds is not None else "synced nowhere"
    said = f"{when}, {own.count} nodes held, {agreement([own, registry])}"
    return judged("the Orchestrator moves without a gap", holds, said, "what it missed to be told, and equal digests")


def scored(good: float, bad: float, seconds: Mapping[str, float | None]) -> Claim:
    """Honest reports told a good node from a bad one, at every registry."""
    known = [value for value in seconds.values() if value is not None]
    holds = len(known) == len(seconds) > 0 and good - bad >= HONEST_POINTS_MIN
    when = f" within {duration(max(known))}" if known else ""
    said = f"good node {good:.0f}, bad node {bad:.0f}, at {len(known)} of {len(seconds)} registries{when}"
    return judged("QoS tells good from bad", holds, said, f"{HONEST_POINTS_MIN:.0f} points between them everywhere")


def withstood(liars: int, reporters: int, moves: Sequence[float]) -> Claim:
    """What a minority of liars could do to the scores, in points."""
    worst = max((abs(move) for move in moves), default=0.0)
    said = f"{liars} liars among {reporters} reporters moved it by {worst:.1f} points"
    holds = bool(moves) and worst <= LIARS_POINTS_MAX
    return judged("liars do not move the score", holds, said, f"≤ {LIARS_POINTS_MAX:.0f} points")


def nobody_lost(running: int, lost: int, views: Sequence[View]) -> Claim:
    """After everything: every node that runs is on offer at every registry, and all hold the same."""
    said = f"{lost} of {running} running nodes lost, {agreement(views)}"
    return judged("after all this, nothing is lost", lost == 0 and agree(views), said, "none lost and equal digests")


def farewell(told: int, leaving: int) -> Claim:
    """Nodes that left are known to have left at every registry."""
    return judged("who leaves is gone", told == leaving, f"{told} of {leaving} stopped at every registry", "all")


def memory(mib: Mapping[str, float | None]) -> Claim:
    """Resident memory of the registry processes; not judged where the system does not tell."""
    known = [value for value in mib.values() if value is not None]
    if not known:
        return Claim("memory of a registry", True, "not told by this system")
    said = f"{min(known):.0f}–{max(known):.0f} MiB each, {sum(known):.0f} MiB for {len(known)}"
    return judged("memory of a registry", max(known) <= MEMORY_MIB_MAX, said, f"≤ {MEMORY_MIB_MAX:.0f} MiB each")


def left(exit_codes: Mapping[str, int | None], seconds: float) -> Claim:
    """Every registry ended with exit code 0 when asked to."""
    clean = sum(code == 0 for code in exit_codes.values())
    others = sorted({str(code) for code in exit_codes.values() if code != 0})
    said = f"{clean} of {len(exit_codes)} with exit code 0" + (f", others {', '.join(others)}" if others else "")
    holds = clean == len(exit_codes) > 0 and seconds <= LEAVE_SECONDS_MAX
    return judged("a clean end", holds, f"{said}, in {duration(seconds)}", f"all within {LEAVE_SECONDS_MAX:.0f} s")
