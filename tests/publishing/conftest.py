from pathlib import Path

import pytest
from delivery_world import Recorder, World

from dagster_project.channels.base import NoSettings


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.rebuild()
    return made


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(NoSettings())
