import shutil
from pathlib import Path

import pytest
from delivery_world import Recorder, World

from dagster_project.channels.base import NoSettings


@pytest.fixture(scope="session")
def published_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = World(tmp_path_factory.mktemp("world"))
    made.rebuild()
    return made.folder


@pytest.fixture
def world(published_world: Path, tmp_path: Path) -> World:
    """A published build of 10 people that nothing was delivered of yet."""
    shutil.copytree(published_world, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, run_count=1)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(NoSettings())
