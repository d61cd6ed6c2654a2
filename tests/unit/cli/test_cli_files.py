"""Commands that write or read files: keys, network files, attributes, lines of load."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from p2preg.base.errors import ConfigError
from p2preg.cells.network import NetworkFile, Open, Sponsored, Work, sponsor_message
from p2preg.cli import exits, main
from p2preg.cli.keygen import find_key
from p2preg.cli.load_lines import LineSource, open_lines
from p2preg.cli.network import read_admission
from p2preg.cli.node import _sponsor
from p2preg.cli.registering import read_attributes, take_line
from p2preg.crypto.keys import IdentityKey, work_bits
from p2preg.crypto.verify import SignatureCheck, verify
from p2preg.storage.keyfile import load, write_new

Captured = pytest.CaptureFixture[str]
ALICE = IdentityKey(b"alice".ljust(32, b"."))
BOB = IdentityKey(b"bob".ljust(32, b"."))


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_key_is_written_for_its_owner_only_and_its_id_is_told(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "node.pem"
    assert main(["keygen", str(path)]) == exits.OK
    assert capsys.readouterr().out == f"{load(path).public.hex()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_exists_is_never_overwritten(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "node.pem"
    path.write_text("precious")
    assert main(["keygen", str(path), "--work", "60"]) == exits.USAGE  # and no work is done in vain
    assert path.read_text() == "precious"
    assert "not overwritten" in capsys.readouterr().err


def test_a_key_with_work_shows_it(tmp_path: Path, capsys: Captured) -> None:
    assert main(["keygen", str(tmp_path / "a.pem"), "--work", "6", "--json"]) == exits.OK
    told = json.loads(capsys.readouterr().out)
    assert told["work_bits"] >= 6
    assert told["work_bits"] == work_bits(bytes.fromhex(told["id"]))


@pytest.mark.parametrize("bits", ["-1", "65"])
def test_work_that_nobody_can_do_is_refused(bits: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(["keygen", str(tmp_path / "a.pem"), f"--work={bits}"]) == exits.USAGE


def test_progress_is_told_while_a_key_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr("p2preg.cli.keygen.PROGRESS_EVERY", 10)
    find_key(8, lambda tries, seconds, bits: told.append((tries % 10, bits)))
    assert set(told) <= {(0, 8)}


# --- networks -----------------------------------------------------------------------------------------------------


def test_a_network_file_says_what_was_asked_for_and_its_id_is_told(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "my.network"
    words = ["network", "mynet", "--admission", "work:20", "--max-registries", "7", "--slots", "9", "--out", str(path)]
    assert main(words) == exits.OK
    network = NetworkFile.parse(path.read_bytes())
    assert (network.name, network.admission, network.max_registries, network.slots) == ("mynet", Work(20), 7, 9)
    assert capsys.readouterr().out == f"{network.network}\n"
    assert main(["network", "show", str(path), "--json"]) == exits.OK
    assert json.loads(capsys.readouterr().out) == {
        "network": network.network, "name": "mynet", "admission": "work:20", "max_registries": 7, "slots": 9,
    }  # fmt: skip


def test_a_name_alone_is_shown_as_the_open_network_of_that_name(capsys: Captured) -> None:
    assert main(["network", "show", "main"]) == exits.OK
    assert NetworkFile.open("main").network in capsys.readouterr().out


def test_a_network_file_is_never_overwritten(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "my.network"
    path.write_bytes(b"precious")
    assert main(["network", "mynet", "--out", str(path)]) == exits.USAGE
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    "words",
    [
        ["show"],
        ["mynet"],
        ["mynet", "file"],
        ["My Net", "--out", "x"],
        ["mynet", "--slots", "0", "--out", "x"],
        ["mynet", "--admission", "work:x", "--out", "x"],
        ["mynet", "--admission", "work:99", "--out", "x"],
        ["mynet", "--admission", "sponsored:", "--out", "x"],
        ["mynet", "--admission", "sponsored:no-such-file.pem", "--out", "x"],
        ["mynet", "--out", "no-such-directory/x"],
    ],
)
def test_a_network_that_cannot_be_is_refused_and_nothing_is_written(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["network", *words]) == exits.USAGE
    assert list(tmp_path.iterdir()) == []


def test_sponsors_are_named_by_key_file_or_id(tmp_path: Path) -> None:
    write_new(tmp_path / "alice.pem", ALICE)
    rule = f"sponsored:{tmp_path / 'alice.pem'},{BOB.public.hex()},{ALICE.public.hex()}"
    assert read_admission(rule) == Sponsored((ALICE.public, BOB.public))
    assert read_admission("open") == Open()


def test_a_sponsors_line_is_what_a_node_takes_and_what_admits_it(tmp_path: Path, capsys: Captured) -> None:
    write_new(tmp_path / "alice.pem", ALICE)
    network, path = NetworkFile("mynet", admission=Sponsored((ALICE.public,))), tmp_path / "my.network"
    path.write_bytes(network.encode())
    words = ["sponsor", "--key", str(tmp_path / "alice.pem"), "--network", str(path), BOB.public.hex()]
    assert main(words) == exits.OK
    given = _sponsor(capsys.readouterr().out.strip())
    assert given is not None
    assert given[0] == ALICE.public
    assert verify(SignatureCheck(ALICE.public, sponsor_message(network.network, BOB.public), given[1]))


def test_who_is_no_sponsor_of_the_network_cannot_sponsor(tmp_path: Path, capsys: Captured) -> None:
    write_new(tmp_path / "bob.pem", BOB)
    path = tmp_path / "my.network"
    path.write_bytes(NetworkFile("mynet", admission=Sponsored((ALICE.public,))).encode())
    words = ["sponsor", "--key", str(tmp_path / "bob.pem")]
    assert main([*words, "--network", str(path), ALICE.public.hex()]) == exits.USAGE
    assert main([*words, "--network", "main", ALICE.public.hex()]) == exits.USAGE
    assert main([*words, "--network", str(path), "abc"]) == exits.USAGE


# --- attributes and lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "[]", "{", "7"])
def test_attributes_that_are_no_object_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="--attributes"):
        read_attributes(path)


class Owner:
    """Takes what a line says, in place of a node."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    async def set_load(self, load: Any) -> None:
        self.said.append(load)

    async def drain(self, level: str, **details: Any) -> None:
        self.said.append((level, details))

    async def resume(self) -> None:
        self.said.append("serving")


async def test_a_line_is_a_load_or_a_state() -> None:
    node: Any = Owner()
    for line in ('{"load": 0.5}', '{"state": "draining", "reason": "x"}', '{"state": "serving"}'):
        await take_line(node, line)
    assert node.said == [{"load": 0.5}, ("draining", {"reason": "x"}), "serving"]


@pytest.mark.parametrize("line", ["x", "[]", "7", '{"state": "draining", "load": 1}'])
async def test_another_line_is_refused(line: str) -> None:
    node: Any = Owner()
    with pytest.raises(ConfigError):
        await take_line(node, line)
    assert node.said == []


Check = Callable[[list[str]], bool]


async def read_until(source: LineSource, enough: Check) -> list[str]:
    """Lines of a source until they are enough, or it ends."""
    lines: list[str] = []
    with trio.fail_after(10):
        while not enough(lines) and (line := await source.next_line()) is not None:
            lines.append(line)
    return lines


async def test_a_pipe_is_read_line_by_line_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\nthr")
    os.write(writing, b"ee")
    os.close(writing)
    source = LineSource(reading, None)
    assert await read_until(source, lambda lines: False) == ["one", "two", "three"]
    os.close(reading)


async def test_a_file_is_followed_as_it_grows_is_cut_short_and_is_replaced(
    tmp_path: Path, autojump_clock: object
) -> None:
    path = tmp_path / "load"
    path.write_text("one\n")
    replacement = tmp_path / "next"
    replacement.write_text("four\n")
    source = open_lines(str(path))
    assert await source.next_line() == "one"
    with path.open("a") as file:
        file.write("two is longer\n")
    assert await source.next_line() == "two is longer"
    path.write_text("three\n")
    assert await source.next_line() == "three"
    replacement.rename(path)
    assert await source.next_line() == "four"
    source.close()


async def test_a_named_pipe_may_be_opened_before_anybody_writes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = open_lines(str(path))
    path.write_text("one\n")
    assert await read_until(source, bool) == ["one"]
    source.close()


async def test_an_endless_line_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "load"
    path.write_bytes(b"x" * 300_000 + b"\n")
    source = open_lines(str(path))
    lines = await read_until(source, lambda lines: sum(map(len, lines)) >= 300_000)
    assert max(map(len, lines)) <= 2 * 65_536
    source.close()


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="--load no-such-file"):
        open_lines("no-such-file")
