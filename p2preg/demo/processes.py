"""The registries as processes of their own, each `p2preg node` with a data directory that outlives its death."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import trio

from p2preg.demo.errors import DemoFailed

NETWORK = "demo"
READY_SECONDS = 30.0  # a start takes about one; the machine may be busy
READY_BYTES_MAX = 4096
LEAVE_SECONDS = 5.0  # what `p2preg node` promises for a clean end
HASTE_SECONDS = 1.5  # and what we grant when somebody is waiting for his prompt
LOG_TAIL_LINES = 12
_COMMAND = (sys.executable, "-m", "p2preg", "node")


@dataclass(frozen=True, slots=True)
class Ready:
    """The ready line. `peer` is HOST:PORT for other registries, `rpc` the websocket's URL."""

    registry_id: str
    peer: str
    rpc: str


class RegistryProcess:
    """One registry, alive or not. `ready` says where it was when it was last alive: it comes back at the same place."""

    def __init__(self, directory: Path, region: str) -> None:
        self.ready: Ready | None = None
        self.alive = False
        self._directory = directory
        self._region = region
        self._process: trio.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.alive else None

    async def start(self, seeds: list[str]) -> Ready:
        """Start it, or start it again; returns when it is ready. `DemoFailed` has the end of its log when it is not."""
        command = [*_COMMAND, *self._options(seeds)]
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            # A session of its own, so that a Ctrl-C in the terminal reaches us alone, and we end it in order.
            self._process = await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self.alive = True
        with trio.move_on_after(READY_SECONDS):
            line = await self._first_line()
            if line:
                self.ready = _read_ready(line)
                return self.ready
        expected = f"a ready line was expected of {self._directory.name} within {READY_SECONDS:.0f} s"
        raise DemoFailed(f"{expected}; {self.tail()}")

    def _options(self, seeds: list[str]) -> list[str]:
        listen, rpc = "127.0.0.1:0", "127.0.0.1:0"
        if self.ready is not None:
            listen, rpc = self.ready.peer, self.ready.rpc.removeprefix("ws://").rstrip("/")
        options = ["--data-dir", str(self._directory / "data"), "--listen", listen, "--rpc", rpc]
        options += ["--network", NETWORK, "--region", self._region]
        return options + [part for seed in seeds for part in ("--seed", seed)]

    async def _first_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        line = b""
        while b"\n" not in line and len(line) < READY_BYTES_MAX:
            more = await self._process.stdout.receive_some()
            if not more:
                return b""
            line += more
        return line.partition(b"\n")[0]

    async def kill(self) -> None:
        """Kill -9: no farewell, nothing flushed."""
        await self._end(signal.SIGKILL, LEAVE_SECONDS)

    async def stop(self, patience: float = LEAVE_SECONDS) -> int | None:
        """Ask it to leave, and kill it when it has not after `patience` seconds. Its exit code; None when it ran no
        more."""
        return await self._end(signal.SIGTERM, patience)

    async def _end(self, how: signal.Signals, patience: float) -> int | None:
        process = self._process
        if process is None or not self.alive:
            return None
        process.send_signal(how)
        with trio.move_on_after(patience):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        self.alive = False
        if process.stdout is not None:
            await process.stdout.aclose()
        return process.returncode

    def memory_mib(self) -> float | None:
        """Its resident memory without the store's file pages, by Linux's account; None where there is none."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        for line in status.splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
        return None

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def tail(self) -> str:
        """The end of its log, for an error message."""
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "its log ends:\n  " + "\n  ".join(lines[-LOG_TAIL_LINES:] or ["(it is empty)"])


def _read_ready(line: bytes) -> Ready:
    try:
        said = json.loads(line)
        return Ready(said["registry_id"], said["peer"], said["rpc"])
    except (ValueError, KeyError, TypeError):
        raise DemoFailed(f"a ready line was expected on standard output, got {line[:200]!r}") from None


async def end_all(registries: list[RegistryProcess]) -> None:
    """End whatever still runs, whoever was cancelled meanwhile, and soon."""
    with trio.CancelScope(shield=True):
        async with trio.open_nursery() as nursery:
            for registry in registries:
                nursery.start_soon(registry.stop, HASTE_SECONDS)
