from pathlib import Path

import pytest
from landed import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "landing").mkdir()
    return World(tmp_path)
