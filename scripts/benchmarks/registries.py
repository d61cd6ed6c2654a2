"""Registries as processes of their own, as an operator runs them."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 120.0
STOP_SECONDS = 10.0
COMMAND = "P2PREG_BENCH_NODE"  # the command that starts a node, to measure another build than this tree's


class Registry:
    """One registry in its own directory. `pid`, `peer` and `rpc` are there while it runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.peer = self.rpc = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, seeds: Sequence[str] = ()) -> Registry:
        """Run it until it says that it is ready."""
        listen, rpc = self.peer or "127.0.0.1:0", self.rpc.removeprefix("ws://").rstrip("/") or "127.0.0.1:0"
        given = os.environ.get(COMMAND)
        command = shlex.split(given) if given else [sys.executable, "-m", "p2preg", "node"]
        command += ["--data-dir", str(self.directory), "--listen", listen, "--rpc", rpc, "--network", "bench"]
        for seed in seeds:
            command += ["--seed", seed]
        with self.directory.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            self.kill()
            raise RuntimeError(f"no ready line; its log ends: {self.log()[-2000:]}")
        ready = json.loads(line)
        self.peer, self.rpc = ready["peer"], ready["rpc"]
        return self

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not obeyed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reap()

    def _reap(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait()
        self._process.stdout.close()
        self._process = None

    def log(self) -> str:
        return self.directory.with_suffix(".log").read_text(errors="replace")


@contextmanager
def registries(count: int) -> Iterator[list[Registry]]:
    """So many, linked by one seed: the first."""
    with tempfile.TemporaryDirectory(prefix="p2preg-bench-") as directory:
        found = [Registry(Path(directory) / f"registry-{number}") for number in range(count)]
        try:
            first, *others = found
            first.start()
            for other in others:
                other.start([first.peer])
            yield found
        finally:
            for registry in found:
                registry.stop()
