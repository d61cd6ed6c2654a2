"""Alice, at whom the tests of the overlay core look."""

from __future__ import annotations

from random import Random

import pytest
from overlay_people import ALICE, CONFIG, cell_of

from p2preg.overlay.core import OverlayCore


@pytest.fixture
def alice() -> OverlayCore:
    return OverlayCore(ALICE, CONFIG, Random(1), cell_of)
