"""Virtual time for whole nodes."""

from __future__ import annotations

import pytest
import trio.testing
from whole_nodes import make_clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> trio.testing.MockClock:
    return make_clock(monkeypatch)
