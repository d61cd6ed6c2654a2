"""`scripts/bench-sim`: rows name scenarios that exist, the table tells the truth, an interruption loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2preg.cli import exits
from p2preg.sim.scenarios import scenario_named
from scripts.simbench.rows import EXPERIMENTS, Experiment, Measure
from scripts.simbench.runs import Job, Kept, Result, code_hash, jobs_of, read_result
from scripts.simbench.table import COMPARE, bar_text, render, shown_figure, verdict

CALM = Experiment(
    "calm", "5 registries", (Measure("p99_ms", "delivery p99, ms", ("<=", 250)), Measure("flood_ms", "- flooding, ms")),
    seeds=3,
)  # fmt: skip


def results(*p99s: float) -> dict[Job, Result]:
    return {job: Result(job, {"p99_ms": p99, "flood_ms": 7.0}) for job, p99 in zip(jobs_of(CALM, 3), p99s, strict=True)}


def cells(page: str, row: int) -> list[str]:
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [cell.strip() for cell in lines[row].strip("|").split("|")]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.scenario)
def test_every_experiment_is_a_scenario_with_bars_that_can_be_judged(experiment: Experiment) -> None:
    scenario = scenario_named(experiment.scenario)
    assert scenario is not None
    assert (experiment.nodes or scenario.nodes) >= scenario.nodes_min
    assert all(measure.bar is None or measure.bar[0] in COMPARE for measure in experiment.measures)


def test_a_row_has_the_extremes_and_the_median_and_whether_all_seeds_meet_the_bar() -> None:
    page = render([CALM], results(100.0, 300.0, 200.0))
    assert cells(page, 0) == ["measure", "conditions", "bar", "minimum", "median", "maximum", "met?"]
    assert cells(page, 1) == ["delivery p99, ms", "5 registries; 3 seeds", "≤ 250", "100", "200", "300", "no: 2 of 3"]
    assert cells(page, 2) == ["- flooding, ms", "- same", "", "7", "7", "7", ""]
    assert cells(render([CALM], results(1.0, 250.0, 2.0)), 1)[-1] == "yes"


def test_a_seed_that_broke_a_promise_meets_no_bar_and_is_replayed_by_one_command() -> None:
    found = results(1.0, 2.0, 3.0)
    job = jobs_of(CALM, 3)[1]
    found[job] = Result(job, failure="bob lost a registration")
    page = render([CALM], found)
    assert cells(page, 1)[1:] == ["5 registries; 2 seeds, 1 BROKE", "≤ 250", "1", "2", "3", "no: 2 of 3"]
    assert "- `p2preg sim calm --seed 2`: bob lost a registration" in page


def test_fewer_seeds_may_be_asked_for_and_a_table_may_be_empty() -> None:
    assert [job.seed for job in jobs_of(CALM, 2)] == [1, 2]
    assert [job.seed for job in jobs_of(CALM, None)] == [1, 2, 3]
    assert cells(render([CALM], {}), 1)[3:] == ["-", "-", "-", ""]


@pytest.mark.parametrize(
    ("bar", "value", "met"),
    [
        (("<=", 1), 1.0, True),
        (("<", 1), 1.0, False),
        ((">=", 1), 0.9, False),
        (("==", 0), 0.0, True),
        ((">", 1), 2, True),
    ],
)
def test_bars_are_judged_by_their_sign(bar: tuple[str, float], value: float, met: bool) -> None:
    assert (verdict(bar, [value], 1) == "yes") is met


def test_bars_are_written_as_people_do() -> None:
    assert [bar_text(bar) for bar in (("<=", 0.05), (">=", 50_000), ("==", 0), None)] == [
        "≤ 0.05",
        "≥ 50 000",
        "= 0",
        "",
    ]


# --- runs ---------------------------------------------------------------------------------------------------

JOB = Job("calm", 9, 2)


def test_a_job_is_a_command() -> None:
    assert JOB.words() == ["sim", "calm", "--nodes", "9", "--seed", "2"]


def test_the_last_line_of_a_run_is_its_outcome_and_speed_is_added() -> None:
    told = json.dumps({"events": 100, "seconds": 0.5, "figures": {"p99_ms": 3.0}})
    result = read_result(JOB, exits.OK, f"noise\n{told}\n", "")
    assert result.figures == {"p99_ms": 3.0, "events": 100, "seconds": 0.5, "events_per_s": 200}


def test_a_failure_is_told_in_the_words_of_the_run() -> None:
    assert read_result(JOB, exits.BROKEN, json.dumps({"failure": "lost"}), "").failure == "lost"
    crashed = read_result(JOB, 1, "", "\n".join(f"line {n}" for n in range(50)))
    assert crashed.failure.startswith("exit code 1\n")
    assert crashed.failure.endswith("line 49")


# --- what is kept -------------------------------------------------------------------------------------------


def test_finished_seeds_are_kept_and_failures_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    kept = Kept(path, "code")
    kept.add(Result(JOB, {"p99_ms": 3.0}))
    kept.add(Result(Job("calm", None, 3), failure="lost"))
    assert Kept(path, "code").results == {JOB: Result(JOB, {"p99_ms": 3.0})}


def test_what_other_code_found_is_not_mixed_in(tmp_path: Path) -> None:
    Kept(tmp_path / "kept", "older").add(Result(JOB, {"p99_ms": 3.0}))
    assert Kept(tmp_path / "kept", "newer").results == {}
    assert code_hash() == code_hash()


def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    Kept(path, "code").add(Result(JOB, {"p99_ms": 3.0}))
    path.write_text(path.read_text() + '{"code": "co')
    Kept(path, "code").add(Result(Job("calm", None, 3), {"p99_ms": 4.0}))
    assert len(Kept(path, "code").results) == 2


@pytest.mark.parametrize(
    ("value", "shown"), [(1.0, "1"), (0.9995, "0.9995"), (0.99968, "0.99968"), (0.97, "0.97"), (1210.4, "1 210")]
)
def test_what_a_share_lacks_of_one_is_not_rounded_away(value: float, shown: str) -> None:
    assert shown_figure(value) == shown
