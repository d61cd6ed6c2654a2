"""The machine under the benchmark: what it is, how much of it others take, and what a process uses."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def describe() -> str:
    """One line about the machine."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    memory = int(next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
    return (
        f"{os.cpu_count()} cores ({model}), {memory / 2**20:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {time.strftime('%Y-%m-%d', time.gmtime())}"
    )


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU time that these processes have used."""
    used = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICK


def anonymous_bytes(pid: int) -> int:
    """Resident memory without file pages, which LMDB maps and the system may take back."""
    return _status(pid, "RssAnon")


def descendants(pid: int) -> list[int]:
    """The process and all that it started and that still run."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*"):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


class OthersWatch:
    """Measures, between its making and `share`, what part of the machine went to processes that are not ours."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy_seconds()
        self._ours = _ours()

    def share(self) -> float:
        passed = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        others = (_busy_seconds() - self._busy) - (_ours() - self._ours)
        return min(1.0, max(0.0, others / passed)) if passed else 0.0


def _busy_seconds() -> float:
    fields = [int(part) for part in _lines("/proc/stat")[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICK


def _ours() -> float:
    """What we, our children, and their ended children have used."""
    ended = os.times()
    return ended.children_user + ended.children_system + cpu_seconds(descendants(os.getpid()))


def _status(pid: int, name: str) -> int:
    line = next(line for line in _lines(f"/proc/{pid}/status") if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
