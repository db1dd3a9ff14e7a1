"""One small house is built once; tests that change a house change a copy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sources.sample import write_world
from tests.e2e.house import AS_OF, House


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house with a small sample world, run once. Not to be changed."""
    house = House(tmp_path_factory.mktemp("house") / "data")
    write_world(house.data, customers=120, seed=5, as_of=AS_OF, lines_per_receipt=3)
    house.succeed("run")
    return house


@pytest.fixture
def house(built: House, tmp_path: Path) -> Iterator[House]:
    """A copy of the built house, to be changed."""
    copy = House(tmp_path / "data")
    shutil.copytree(built.data, copy.data)
    yield copy
    shutil.rmtree(copy.data)
