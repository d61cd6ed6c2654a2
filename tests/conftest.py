"""Options of the test run. They stand here, not deeper, so that pytest knows them whatever it is asked to run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-transcripts",
        action="store_true",
        help="write what happens into tests/sim/scenarios/*.txt, instead of comparing",
    )
