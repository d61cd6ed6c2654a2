"""The programs in the README do what it says, against real registries."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from registry_process import ROOT, RegistryProcess

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECONDS = 30.0


def program(language: str, number: int, three: list[RegistryProcess]) -> str:
    """A block of the README, dialling the registries of the test."""
    block: str = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number]
    first, second = three[0].rpc, three[1].rpc
    return (
        block.replace("ws://127.0.0.1:7480/", first)
        .replace("ws://127.0.0.1:7481/", second)
        .replace('"127.0.0.1:7480"', f'"{first.removeprefix("ws://").rstrip("/")}"')
    )


def run(command: list[str], directory: Path) -> str:
    """What it prints until it ends."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_media_node_registers_and_leaves(three: list[RegistryProcess], tmp_path: Path) -> None:
    script = tmp_path / "node.py"
    script.write_text(program("python", 0, three).replace("trio.sleep(5)", "trio.sleep(0)"))
    said = run([sys.executable, str(script)], tmp_path)
    assert re.fullmatch(rf"registered [0-9a-f]{{64}} at {three[0].rpc}\n", said)


def test_the_python_watcher_is_synced(three: list[RegistryProcess], tmp_path: Path) -> None:
    script = tmp_path / "watcher.py"
    script.write_text(program("python", 1, three).replace("print(event.type, event.node_id)", "break"))
    assert re.match(r"synced with \d+ nodes\n", run([sys.executable, str(script)], tmp_path))


def test_the_javascript_registers_subscribes_and_selects(three: list[RegistryProcess], tmp_path: Path) -> None:
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else "v0"
    major = int(version.removeprefix("v").partition(".")[0])
    if node is None or major < 20:
        pytest.skip("Node.js 20 or newer is not here")
    script = tmp_path / "readme.mjs"
    both = program("javascript", 0, three) + program("javascript", 1, three)
    # A proof renewed at once shows that the bytes are right; then the process has to end, timers and socket or not.
    renewed = 'seq += 1; await call("node.renew", { seq, signature: await proof(seq) }); console.log("renewed");'
    script.write_text(f"{both}\n{renewed}\nprocess.exit(0);\n")
    flags = ["--experimental-websocket"] if major < 22 else []
    said = run([node, *flags, str(script)], tmp_path)
    assert re.search(r"^registered [0-9a-f]{64}$", said, re.MULTILINE)
    assert '"type":"synced"' in said
    assert "\nselected [" in said
    assert "\nrenewed" in said
