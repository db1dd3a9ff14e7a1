"""A sample world with its truth, loaded and staged: what identity reads."""

from datetime import UTC, datetime
from pathlib import Path

import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult

from dagster_project.database import connect
from dagster_project.warehouse import Build, begin
from sources import tables
from sources.loader.load import create_views, load_table
from sources.sample import write_world

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
DBT = Path(__file__).parents[2] / "dbt"


def make_world(
    data: Path,
    *,
    customers: int,
    seed: int,
    lines_per_receipt: int | None = None,
    dirty: float = 0.0,
) -> None:
    """Write, load and stage a world in a data directory, with truth/ beside it."""
    write_world(
        data,
        customers=customers,
        seed=seed,
        as_of=AS_OF,
        lines_per_receipt=lines_per_receipt,
        dirty=dirty,
    )
    for table in tables():
        load_table(table, data, loaded_at=AS_OF)
    with connect(data / "warehouse.duckdb") as connection:
        begin(connection, Build("run", AS_OF, "UTC", "EUR", "RO", AS_OF))
        create_views(connection, data)
    stage(data)


def stage(data: Path) -> None:
    """Build the staging models in the warehouse of a data directory."""
    dbt(data, "run", "--select", "fqn:perennial.staging")


def dbt(data: Path, *arguments: str) -> dbtRunnerResult:
    """Run a dbt command on the warehouse of a data directory."""
    profiles = yaml.safe_load((DBT / "profiles.yml").read_text())
    profiles["perennial"]["outputs"]["duckdb"]["path"] = str(data / "warehouse.duckdb")
    (data / "profiles.yml").write_text(yaml.safe_dump(profiles))
    quietly = ["--quiet", "--log-level", "none", "--log-level-file", "none"]
    places = ["--project-dir", DBT, "--profiles-dir", data, "--target-path", data / "target"]
    try:
        outcome = dbtRunner().invoke([*quietly, *arguments, *map(str, places)])
    finally:
        DuckDBConnectionManager.close_all_connections()
    assert outcome.success, outcome.exception
    return outcome
