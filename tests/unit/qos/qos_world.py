"""Reporters, samples and a core to report to."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from p2preg.qos.core import QosCore

T = 1_790_000_000_000  # Unix ms at monotonic 0
GOOD = {"kind": "video", "bitrate": 2_500_000, "fractionLost": 0.0, "roundTripTime": 0.02}
BAD = {"kind": "video", "bitrate": 50_000, "fractionLost": 0.4, "roundTripTime": 2.0}


def key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


NODE, OTHER_NODE, HOME, PEER = key("node"), key("other node"), key("home"), key("peer")


def core(own_id: bytes = HOME) -> QosCore:
    return QosCore(own_id, random.Random(7))


def report(
    to: QosCore,
    reporter: str,
    *samples: Any,
    group: str = "",
    node: bytes = NODE,
    now: float = 0.0,
    ago: float = 0.0,
    length: float = 10.0,
) -> dict[str, Any]:
    """A report of a window of `length` seconds that ended `ago` seconds before `now`."""
    now_ms = T + round(now * 1_000)
    end_ms = now_ms - round(ago * 1_000)
    given = list(samples or (GOOD,))
    answer = to.report(key(reporter), group, node, end_ms - round(length * 1_000), end_ms, given, now, now_ms)
    to.check_invariants()
    return answer


def get(of: QosCore, window_s: int = 600, node: bytes = NODE, now: float = 0.0) -> dict[str, Any]:
    return of.get(node, window_s, now, T + round(now * 1_000))


def explain(of: QosCore, node: bytes = NODE, now: float = 0.0) -> dict[str, Any]:
    return of.explain(node, now, T + round(now * 1_000))


def expire(of: QosCore, now: float) -> list[bytes]:
    changed = of.expire(now, T + round(now * 1_000))
    of.check_invariants()
    return changed


def pages(of: QosCore, now: float) -> dict[bytes, dict[str, Any]]:
    due = of.pages_due(now, T + round(now * 1_000))
    of.check_invariants()
    assert len(dict(due)) == len(due)
    return dict(due)


def rejected(answer: dict[str, Any]) -> dict[int, str]:
    return {row["index"]: row["reason"] for row in answer["rejected"]}
