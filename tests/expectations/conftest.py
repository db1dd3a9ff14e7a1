"""The sound warehouse, written once; each test gets a copy of its own."""

import shutil
from pathlib import Path

import gate_world
import pytest


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "warehouse.duckdb"
    gate_world.build(path)
    return path


@pytest.fixture
def warehouse(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "warehouse.duckdb"))
