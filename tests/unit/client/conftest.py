"""Time for clients under test."""

import pytest
import trio.testing


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """Time passes when nothing else happens. The registries are in this process: what is sent has arrived."""
    return trio.testing.MockClock(autojump_threshold=0.01)
