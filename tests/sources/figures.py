"""What the figures on hostile and repeated files share: loaders apart, rows compared exactly."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from sources.contract import Table
from sources.loader.load import create_views
from sources.loader.sql import literal, name

_ROOT = Path(__file__).parents[2]
_LOADER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from sources import tables
from sources.loader.load import load_table

print("ready", flush=True)
sys.stdin.readline()
for table in tables():
    if table.full_name in sys.argv[2:]:
        load_table(table, Path(sys.argv[1]), loaded_at=datetime.now(UTC))
"""


def waiting_loader(data: Path, tables: Sequence[Table]) -> "subprocess.Popen[str]":
    """A loader process that has imported everything and waits for the word to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LOADER, str(data), *(table.full_name for table in tables)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: "subprocess.Popen[str]") -> None:
    """Give the word."""
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def apart(
    data: Path, other: Path, table: Table, *, without: Sequence[str] = ("_loaded_at",)
) -> int:
    """How many raw rows only one of two data directories has, each as often as it occurs there."""
    left_out = ", ".join(name(column) for column in without)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        sides = []
        for side, folder in (("one", data), ("two", other)):
            connection.execute(f"attach ':memory:' as {side}; use {side}")
            create_views(connection, folder)
            sides.append(
                f"(select columns(* exclude ({left_out})) from {side}.raw.{name(table.full_name)})"
            )
        one, two = sides
        [(found,)] = connection.execute(
            f"""select count(*) from (
                ({one} except all {two}) union all ({two} except all {one})
            )"""
        ).fetchall()
    return int(found)


def unreadable(data: Path, stage: str = "raw") -> list[str]:
    """Parquet files of a stage, unfinished ones aside, that can't be read to the last value."""
    broken = []
    with duckdb.connect() as connection:
        for path in sorted((data / stage).rglob("[!.]*.parquet")):
            try:
                sql = f"select max(hash(columns(*))) from read_parquet({literal(str(path))})"
                connection.execute(sql).fetchall()
            except duckdb.Error:
                broken.append(path.name)
    return broken
