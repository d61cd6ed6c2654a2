"""`p2preg sim` around a canned scenario: what is listed, told, printed and written, and what a failure says."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from p2preg.cli import exits, main
from p2preg.cli.progress import Progress
from p2preg.cli.simulation import figure_facts, what_broke
from p2preg.sim.scenario import Outcome, Picture, Scenario, Setting

Captured = pytest.CaptureFixture[str]


def calm(setting: Setting) -> Outcome:
    setting.progress(0.5, "half of it \x1b[31m")
    figures = {"nodes_seen": setting.nodes, "delay_p99_ms": 1234.5, "worst": math.inf}
    return Outcome(figures, f"hash of {setting.seed}", 7, (Picture("curve", "<svg/>"),))


def broken(setting: Setting) -> Outcome:
    raise AssertionError("bob lost a registration")


def wordless(setting: Setting) -> Outcome:
    raise AssertionError


def buggy(setting: Setting) -> Outcome:
    raise KeyError("carol")


def interrupted(setting: Setting) -> Outcome:
    raise KeyboardInterrupt


CANNED = tuple(
    Scenario(run.__name__, f"a {run.__name__} network", run, nodes=5)
    for run in (calm, broken, wordless, buggy, interrupted)
)


@pytest.fixture(autouse=True)
def canned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("p2preg.sim.scenarios.SCENARIOS", CANNED)
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> int:
    return main(["sim", *words])


# --- the list -----------------------------------------------------------------------------------------------


def test_the_list_names_all_scenarios(capsys: Captured) -> None:
    assert run("--list") == exits.OK
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [each.name for each in CANNED]


def test_the_list_is_one_json_array(capsys: Captured) -> None:
    assert run("--list", "--json") == exits.OK
    listed = json.loads(capsys.readouterr().out)
    assert listed[0] == {"name": "calm", "summary": "a calm network", "nodes": 5}
    assert len(listed) == len(CANNED)


# --- a run --------------------------------------------------------------------------------------------------


def test_a_run_ends_with_a_table_and_pictures(capsys: Captured) -> None:
    assert run("calm", "--seed", "3") == exits.OK
    printed = capsys.readouterr()
    rows = [line.split(maxsplit=2) for line in printed.out.splitlines()]
    assert ["delay", "p99", "1,234.5 ms"] in [[part.strip() for part in row] for row in rows]
    assert "hash of 3" in printed.out
    assert "p2preg-sim/calm-5-3-curve.svg" in printed.out
    assert Path("p2preg-sim/calm-5-3-curve.svg").read_text() == "<svg/>"


def test_progress_is_told_on_standard_error_and_harmless(capsys: Captured) -> None:
    run("calm", "--json")
    assert capsys.readouterr().err == " 50%  half of it \ufffd[31m (0.0 s)\n"


def test_json_is_one_object_on_one_line_and_no_picture_is_written(capsys: Captured) -> None:
    assert run("calm", "--nodes", "9", "--json") == exits.OK
    [line] = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert result.pop("seconds") >= 0
    assert result == {
        "scenario": "calm", "nodes": 9, "seed": 1, "trace_hash": "hash of 1", "events": 7,
        "figures": {"nodes_seen": 9, "delay_p99_ms": 1234.5, "worst": None},
    }  # fmt: skip
    assert list(Path().iterdir()) == []


def test_json_names_the_pictures_that_were_asked_for(capsys: Captured) -> None:
    assert run("calm", "--json", "--pictures", "deep/there") == exits.OK
    assert json.loads(capsys.readouterr().out)["pictures"] == ["deep/there/calm-5-1-curve.svg"]
    assert Path("deep/there/calm-5-1-curve.svg").exists()


def test_no_pictures_when_none_are_wanted(capsys: Captured) -> None:
    assert run("calm", "--pictures", "none") == exits.OK
    assert "curve" not in capsys.readouterr().out
    assert list(Path().iterdir()) == []


# --- a run that fails ---------------------------------------------------------------------------------------


def test_a_broken_promise_is_told_with_the_command_that_replays_it(capsys: Captured) -> None:
    assert run("broken", "--nodes", "8", "--seed", "42") == exits.BROKEN
    printed = capsys.readouterr()
    assert printed.out == ""
    told, replay = printed.err.splitlines()
    assert told.startswith("p2preg: broken broke a promise: bob lost a registration (test_cli_sim.py:")
    assert replay == "replay it with: p2preg sim broken --nodes 8 --seed 42"


def test_json_has_the_failure_and_the_replay(capsys: Captured) -> None:
    assert run("broken", "--json") == exits.BROKEN
    [line] = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert result["failure"].startswith("bob lost a registration")
    assert result["replay"] == "p2preg sim broken --nodes 5 --seed 1"
    assert "figures" not in result


def test_an_assertion_without_words_is_told_by_its_text(capsys: Captured) -> None:
    assert run("wordless") == exits.BROKEN
    assert "wordless broke a promise: raise AssertionError (test_cli_sim.py:" in capsys.readouterr().err
    assert what_broke(AssertionError()) == "an assertion"


def test_a_bug_keeps_its_traceback_and_can_be_replayed_too(capsys: Captured) -> None:
    with pytest.raises(KeyError):
        run("buggy")
    assert capsys.readouterr().err == "replay it with: p2preg sim buggy --nodes 5 --seed 1\n"


def test_ctrl_c_ends_it_in_silence(capsys: Captured) -> None:
    assert run("interrupted") == exits.INTERRUPTED
    assert capsys.readouterr() == ("", "")


# --- what the user got wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["calmm"], "there is no scenario 'calmm': did you mean calm?"),
        (["zzz"], "there is no scenario 'zzz': `p2preg sim --list` shows all"),
        ([], "name a scenario"),
        (["calm", "--nodes", "2"], "--nodes: 3 to 20000 were expected for calm, got 2"),
        (["calm", "--nodes", "20001"], "got 20001"),
        (["calm", "--list"], "leave out 'calm'"),
        (["calm", "--pictures", "taken/there"], "--pictures taken/there: taken is no directory"),
    ],
)
def test_what_the_user_got_wrong_is_told_in_one_line(words: list[str], told: str, capsys: Captured) -> None:
    Path("taken").write_text("a file")
    assert run(*words) == exits.USAGE
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("p2preg: ")
    assert told in line


# --- parts --------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_is_rewritten_and_then_cleared() -> None:
    now, stream = [0.0], Terminal()
    with Progress(stream, lambda: now[0]) as progress:
        for tenths in range(5):
            now[0] = tenths / 20
            progress.tell(tenths / 10, "running")
    assert stream.getvalue() == (
        "\r\x1b[K  0%  running (0.0 s)\r\x1b[K 20%  running (0.1 s)\r\x1b[K 40%  running (0.2 s)\r\x1b[K"
    )


def test_a_file_has_a_line_every_few_seconds() -> None:
    now, stream = [0.0], io.StringIO()
    with Progress(stream, lambda: now[0]) as progress:
        for seconds in range(11):
            now[0] = float(seconds)
            progress.tell(seconds / 10, "running")
    assert stream.getvalue() == "  0%  running (0.0 s)\n 50%  running (5.0 s)\n100%  running (10.0 s)\n"


def test_figures_are_told_with_their_units() -> None:
    figures = {"p99_ms": 12.5, "healed_s": 3, "bytes_per_registry_per_s": 12_345, "redundancy": 0.01, "note": "x"}
    assert figure_facts(figures) == {
        "p99": "12.5 ms", "healed": "3 s", "bytes per registry": "12,345 /s", "redundancy": "0.01", "note": "x",
    }  # fmt: skip


def test_the_other_commands_do_not_load_the_simulator() -> None:
    program = "import sys, p2preg.cli.parser as p; p.build_parser(); print([m for m in sys.modules if '.sim.' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[3])  # fmt: skip
    assert done.stdout == "[]\n"
