"""Three registries for all tests that do not hurt them: each test uses keys and a region of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from raw_client import RawClient, connect
from registry_process import RegistryProcess, registries


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RegistryProcess]]:
    """Three linked registries."""
    with registries(tmp_path_factory.mktemp("three"), 3) as found:
        yield found


@pytest.fixture
def region() -> str:
    """A label that no other test uses."""
    return f"region-{secrets.token_hex(4)}"


@pytest.fixture
async def alice(three: list[RegistryProcess]) -> AsyncIterator[RawClient]:
    """A client of the first registry."""
    async with connect(three[0].rpc) as client:
        yield client


@pytest.fixture
async def bob(three: list[RegistryProcess]) -> AsyncIterator[RawClient]:
    """A client of the second registry."""
    async with connect(three[1].rpc) as client:
        yield client


@pytest.fixture
async def carol(three: list[RegistryProcess]) -> AsyncIterator[RawClient]:
    """A client of the third registry."""
    async with connect(three[2].rpc) as client:
        yield client
