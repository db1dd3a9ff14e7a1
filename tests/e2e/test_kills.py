"""A run may be killed at any moment: the next one completes by itself."""

import os
import time
from pathlib import Path

from tests.e2e.house import House
from tests.e2e.kills import killed_runs


def test_a_run_after_kills_at_random_moments_publishes_the_same(house: House) -> None:
    before = house.content()
    (house.data / "warehouse.duckdb").unlink()
    for parquet in (house.data / "raw").rglob("*.parquet"):
        parquet.unlink()
    killed_runs(house, 4, longest=12.0, seed=11)
    for leftover in _unfinished(house):
        # As if the next run came two hours later: a younger one may still be written.
        os.utime(leftover, (time.time() - 7200,) * 2)
    house.succeed("run")
    assert house.content() == before
    assert _unfinished(house) == []


def _unfinished(house: House) -> list[Path]:
    return [path for path in house.data.rglob("*") if path.suffix in {".tmp", ".part"}]
