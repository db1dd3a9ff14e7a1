"""A run may be killed at any moment: the next one completes by itself."""

from tests.e2e.house import House
from tests.e2e.kills import killed_runs


def test_a_run_after_kills_at_random_moments_publishes_the_same(house: House) -> None:
    before = house.content()
    (house.data / "warehouse.duckdb").unlink()
    for parquet in (house.data / "raw").rglob("*.parquet"):
        parquet.unlink()
    killed_runs(house, 4, longest=12.0, seed=11)
    house.succeed("run")
    assert house.content() == before
    leftovers = [p.name for p in house.data.rglob("*") if p.name.endswith((".tmp", ".part"))]
    assert leftovers == []
