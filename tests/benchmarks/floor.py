"""The floor of a run: its compiled SQL in one DuckDB process, and nothing else.

python -m tests.benchmarks.floor compile FOLDER
python -m tests.benchmarks.floor run FOLDER DATA_DIRECTORY_OF_A_RUN [tuned]

DuckDB is as it comes; `tuned`, it has the settings with which Perennial opens it.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

import sources
from dagster_project import identity, warehouse
from dagster_project.calendar import write_holidays
from dagster_project.prediction import predict
from dagster_project.publishing.gates import STAGES
from sources.loader.values import sql_type


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Tell how long a stage took, in the form that a run tells it."""
    started = time.monotonic()
    yield
    sys.stderr.write(f"  {name:<13} done  {time.monotonic() - started:.1f} s\n")


def ingest(connection: duckdb.DuckDBPyConnection, data: Path, raw: Path) -> None:
    """Read what landed with DuckDB's readers and the contracts' types, into one file a table."""
    connection.execute("create schema raw")
    for table in sources.tables():
        selected = []
        for suffix, read in _READERS.items():
            files = sorted((data / "landing" / table.source / table.name).rglob(f"*{suffix}"))
            if files:
                types = {column.name: sql_type(column) for column in table.columns}
                selected.append(f"from {read(files, types)}")
        raw.mkdir(parents=True, exist_ok=True)
        target = raw / f"{table.full_name}.parquet"
        connection.execute(
            f"copy ({' union all by name '.join(selected)}) to '{target}' (compression zstd)"
        )
        columns = ", ".join(f'"{column}"' for column in table.column_names)
        connection.execute(
            f"create view raw.{table.full_name} as select {columns}, null::varchar as _extra, "
            "file_row_number as _line, filename as _landed_file, now() as _loaded_at, "
            f"false as _is_deleted from read_parquet('{target}', file_row_number = true)"
        )


def _files(files: list[Path]) -> str:
    return "[" + ", ".join(f"'{file}'" for file in files) + "]"


def _json(files: list[Path], types: dict[str, str]) -> str:
    return f"read_json({_files(files)}, filename = true, columns = {types})"


def _csv(files: list[Path], types: dict[str, str]) -> str:
    return (
        f"read_csv({_files(files)}, filename = true, header = true, quote = '\"', types = {types})"
    )


def _parquet(files: list[Path], _types: dict[str, str]) -> str:
    return f"read_parquet({_files(files)}, filename = true)"


_READERS = {".ndjson": _json, ".csv": _csv, ".csv.gz": _csv, ".parquet": _parquet}


def compile_layers(folder: Path) -> None:
    """Write what dbt makes of each layer: seeds, then models and tests in the graph's order."""
    from dbt.cli.main import dbtRunner

    from dagster_project.defs.transform.layers import EXCLUDED, SOURCES
    from dagster_project.defs.transform.project import LAYERS, nodes, places, project

    for layer in LAYERS:
        outcome = dbtRunner().invoke(
            [
                *("--quiet", "compile", *places(project())),
                *("--select", f"fqn:perennial.{layer}", *SOURCES.get(layer, ())),
                *("--exclude", EXCLUDED, "--target-path", str(folder / layer)),
            ]
        )
        if not outcome.success:
            raise RuntimeError(f"dbt can't compile {layer}: {outcome.exception}")
        seeds = [node for node in nodes(layer).values() if node["resource_type"] == "seed"]
        found = [result.node.to_dict() for result in outcome.result.results]
        compiled = [node for node in found if node["resource_type"] != "seed"]
        (folder / f"{layer}.json").write_text(json.dumps([*seeds, *compiled], default=str))


def build(connection: duckdb.DuckDBPyConnection, layer: Path) -> None:
    """Run a layer's seeds, models and tests."""
    for node in json.loads(layer.read_text()):
        sql = node.get("compiled_code") or ""
        if node["resource_type"] == "test":
            connection.execute(f"select count(*) from ({sql})").fetchall()
            continue
        connection.execute(f"create schema if not exists {node['schema']}")
        relation = f"{node['schema']}.{node['alias']}"
        if node["resource_type"] == "seed":
            file = Path(node["root_path"]) / node["original_file_path"]
            types = node["config"]["column_types"]
            connection.execute(
                f"create table {relation} as from read_csv('{file}', types = {types})"
            )
        else:
            kind = node["config"]["materialized"]
            connection.execute(f"create {kind} {relation} as {sql}")


def run(folder: Path, data: Path, *, tuned: bool) -> None:
    """Build the same tables from the same files."""
    path = folder / "warehouse.duckdb"
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    connection.execute("set TimeZone = 'UTC'")
    if tuned:
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set disabled_compression_methods = 'fsst'")
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as built:
        row = built.execute("select * from meta.build").arrow().read_all()
    connection.execute("create schema meta; create table meta.build as from row")
    [as_of] = row.column("as_of").to_pylist()
    for name in STAGES:
        with stage(name):
            if name == "raw":
                ingest(connection, data, folder / "raw")
            elif name == "identity":
                identity.resolve(
                    connection, as_of=as_of, default_country="PT", salt="", previous=None
                )
            elif name == "prediction":
                predict(connection, today=warehouse.current(connection).today)
            elif name == "calendar":
                write_holidays(connection, today=warehouse.current(connection).today)
            else:
                build(connection, folder / f"{name}.json")
    connection.close()
    os._exit(0)


if __name__ == "__main__":
    command, where = sys.argv[1], Path(sys.argv[2])
    if command == "compile":
        where.mkdir(parents=True)
        compile_layers(where)
    else:
        run(where, Path(sys.argv[3]), tuned="tuned" in sys.argv[4:])
