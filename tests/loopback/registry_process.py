"""Registries as processes: started, asked to stop, killed, started again; and their logs read when they are gone.

Nothing here imports p2preg: what these tests know of the product stands in its contract."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 20.0
STOP_SECONDS = 5.0  # of the contract: whether or not clients answer the close
KILL_SECONDS = 10.0


class RegistryProcess:
    """One registry and its data directory. `peer` is host:port, `rpc` a URL; both change when it is started again
    unless `keeps_ports`."""

    def __init__(self, directory: Path, *arguments: str, keeps_ports: bool = False) -> None:
        self.directory = directory
        self.arguments = arguments
        self.keeps_ports = keeps_ports
        self.registry_id = ""
        self.peer = ""
        self.rpc = ""
        self.log_path = directory.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"RegistryProcess[{self.directory.name} {self.peer}]"

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self, seeds: Sequence[RegistryProcess | str] = ()) -> RegistryProcess:
        """Run it and wait for its ready line."""
        self.launch(seeds)
        self.wait_ready()
        return self

    def launch(self, seeds: Sequence[RegistryProcess | str] = ()) -> None:
        """Run it without waiting."""
        assert self._process is None
        listen, rpc = "127.0.0.1:0", "127.0.0.1:0"
        if self.keeps_ports and self.peer:
            listen, rpc = self.peer, self.authority
        command = [sys.executable, "-m", "p2preg", "node", "--data-dir", str(self.directory)]
        command += ["--listen", listen, "--rpc", rpc, *self.arguments]  # of an option given twice the last counts
        for seed in seeds:
            command += ["--seed", seed if isinstance(seed, str) else seed.peer]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)

    def wait_ready(self) -> None:
        """Until it has printed its ready line, which is one line of JSON."""
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        assert line, f"{self} said nothing within {START_SECONDS} s; its log: {self.log()[-2000:]}"
        ready = json.loads(line)
        assert ready["event"] == "ready"
        self.registry_id, self.peer, self.rpc = ready["registry_id"], ready["peer"], ready["rpc"]

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM; the exit code. Fails when it takes longer than `seconds`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._reap(seconds)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._reap(KILL_SECONDS)

    def freeze(self) -> None:
        """SIGSTOP: the process is there and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _reap(self, seconds: float) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        process, self._process = self._process, None
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            process.stdout.close()

    def clean_up(self) -> None:
        """End it if it runs, then look at what it logged."""
        if self._process is not None:
            if self._process.poll() is not None:
                code = self._reap(0)
                raise AssertionError(f"{self} ended by itself with {code}: {self.log()[-4000:]}")
            self.thaw()
            assert self.stop() == 0, f"{self}: {self.log()[-4000:]}"
        self.assert_no_traceback()

    # --- what it shows from outside -------------------------------------------------------------------------------

    @property
    def authority(self) -> str:
        """The host:port that clients dial."""
        return self.rpc.partition("://")[2].rstrip("/")

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def assert_no_traceback(self) -> None:
        log = self.log()
        assert "Traceback" not in log, log[max(0, log.index("Traceback") - 500) :][:4000]

    def rss_bytes(self) -> int:
        """Its resident memory now, and from here on `peak_rss_bytes` begins anew."""
        assert self._process is not None
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")  # proc(5): reset the peak
        return self._status("VmRSS")

    def peak_rss_bytes(self) -> int:
        """The most resident memory that it had since `rss_bytes`."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        assert self._process is not None
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {name} in /proc")

    def open_files(self) -> int:
        assert self._process is not None
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))


@contextlib.contextmanager
def registries(
    directory: Path, count: int, *arguments: str, keeps_ports: bool = False
) -> Iterator[list[RegistryProcess]]:
    """So many registries, linked by one seed: the first. All are ended, and their logs judged, at the end."""
    found = [
        RegistryProcess(directory / f"registry{number}", *arguments, keeps_ports=keeps_ports) for number in range(count)
    ]
    try:
        first, *others = found
        first.start()
        for other in others:
            other.launch([first])
        for other in others:
            other.wait_ready()
        yield found
    finally:
        end(found)


def end(processes: Sequence[RegistryProcess]) -> None:
    """Clean up all of them; the first failure is raised when none is left running."""
    failures = []
    for process in processes:
        try:
            process.clean_up()
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
