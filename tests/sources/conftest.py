import os
from pathlib import Path

import pytest
from landed import World


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk is half of the time that small loads take."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "landing").mkdir()
    return World(tmp_path)
