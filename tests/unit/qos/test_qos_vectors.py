"""The vectors of formula 1: written again they are the same, they hold the published comparisons, and the page of the
worked example reads back."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import cbor2
import pytest

from p2preg.qos.emodel import mos_milli, rating_mp
from p2preg.qos.estimate import estimate
from p2preg.qos.spread import Spreads
from p2preg.qos.summary import Summary, page_of, read_page

ROOT = Path(__file__).resolve().parents[3]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "qos.json").read_text())


def test_the_script_writes_the_same_file_again() -> None:
    for path, text in runpy.run_path(str(ROOT / "scripts" / "vectors-qos"))["build"]().items():
        assert path.read_text() == text, "run scripts/vectors-qos, and say why the formula changed"


@pytest.mark.parametrize(
    ("round_trip_ms", "jitter_ms", "lost_ppm", "rating", "mos"),
    [
        (50, 5, 0, 92.12, 4.387),
        (100, 10, 10_000, 82.64, 4.120),
        (100, 10, 25_000, 72.28, 3.702),
        (200, 20, 10_000, 80.96, 4.060),
        (300, 30, 30_000, 61.30, 3.167),
        (400, 30, 50_000, 44.86, 2.308),
        (500, 30, 100_000, 22.32, 1.324),
    ],
)
def test_the_rating_is_the_e_models(
    round_trip_ms: int, jitter_ms: int, lost_ppm: int, rating: float, mos: float
) -> None:
    found = rating_mp(round_trip_ms * 1_000, jitter_ms * 1_000, lost_ppm)
    assert (round(found / 1_000, 2), mos_milli(found) / 1_000) == (rating, mos)


def test_the_opinion_score_never_leaves_its_scale_nor_falls_as_the_rating_rises() -> None:
    scores = [mos_milli(rating) for rating in range(0, 100_001, 50)]
    assert scores == sorted(scores) and scores[0] == 1_000 and scores[-1] == 4_500


def test_the_page_of_the_worked_example_is_what_other_libraries_encode() -> None:
    example = VECTORS["registry"]
    assert cbor2.dumps(example["page"], canonical=True).hex() == example["page_bytes"]
    assert page_of(read_page(example["page"])) == example["page"]


@pytest.mark.parametrize("row", VECTORS["estimates"], ids=lambda row: f"{len(row['summaries'])} registries")
def test_an_estimate_does_not_depend_on_the_order_of_registries(row: dict[str, Any]) -> None:
    summaries = [
        Summary(
            given["groups"], given["reporters"], given["reports"], given["score_mp"],
            Spreads(*(tuple(s) if (s := given[name]) else None for name in
                      ("round_trip_time_us", "fraction_lost_ppm", "bitrate_bps"))),
        )
        for given in row["summaries"]
    ]  # fmt: skip
    for order in (summaries, summaries[::-1]):
        found = estimate(order)
        assert (found.observed_mp, found.votes, found.score_mp) == (row["observed_mp"], row["votes"], row["score_mp"])
        assert (found.mos_milli, found.confidence_ppm) == (row["mos_milli"], row["confidence_ppm"])
