"""How DuckDB goes about the models: no row of a large table is compared with all of another."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from tests.e2e.house import House

# Of a join by comparing, one side has to be small: a row, a seed, the days of a calendar.
QUADRATIC = {"BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN"}
SMALL = 500


def rows_of(plan: dict[str, Any]) -> int:
    """How many rows are expected of a plan; a union doesn't say."""
    told = plan["extra_info"].get("Estimated Cardinality")
    return int(told) if told else sum(map(rows_of, plan["children"]))


def joins(plan: dict[str, Any]) -> Iterator[tuple[str, list[int]]]:
    """Each such join of a plan, with the rows expected of both its sides."""
    if plan["name"].strip() in QUADRATIC:
        yield plan["name"].strip(), [rows_of(child) for child in plan["children"]]
    for child in plan["children"]:
        yield from joins(child)


def quadratic(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, list[int]]]:
    """The joins whose sides are both large."""
    row = connection.execute(f"explain (format json) {sql}").fetchone()
    assert row
    (plan,) = json.loads(row[1])
    return [(name, rows) for name, rows in joins(plan) if min(rows) > SMALL]


def test_a_join_of_two_large_tables_is_by_hash(built: House, tmp_path: Path) -> None:
    compiled = tmp_path / "compiled"
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.floor", "compile", str(compiled)],
        env=built.environment(),
        check=True,
    )
    found = {}
    with duckdb.connect(str(built.data / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for layer in ("staging", "intermediate", "marts", "audiences"):
            for node in json.loads((compiled / f"{layer}.json").read_text()):
                if node["resource_type"] == "model" and (
                    bad := quadratic(connection, node["compiled_code"])
                ):
                    found[node["alias"]] = bad
    assert found == {}


def test_a_condition_on_one_side_of_an_outer_join_is_found(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table one as select i, i % 2 as part from range(9999) as r(i)")
        connection.execute("create table other as from one")
        outer = "from one left join other on one.i = other.i"
        assert quadratic(connection, f"{outer} and one.part = 1")
        assert not quadratic(connection, f"{outer} and other.part = 1")
