"""The same files in random orders, some events 90 days late: the same raw rows, the same marts.

python -m tests.sources.orders --orders 100

A small sample world is cut into a few hundred files, its events by the week in which they arrive,
one in ten up to 90 days late. For each order the files land in random batches with a load after
each. The marts are then built by the compiled SQL of the models and by identity's own code, as in
tests.benchmarks.floor, and compared with what `perennial run` publishes of the same files.
"""

import argparse
import gzip
import io
import itertools
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from dagster_project import identity, warehouse
from dagster_project.calendar import write_holidays
from dagster_project.prediction import predict
from dagster_project.publishing.gates import STAGES
from sources import tables
from sources.contract import Table
from sources.loader.load import create_views, load_table
from sources.sample import write_world
from tests.benchmarks.floor import build
from tests.e2e.house import AS_OF, COMPARED, House
from tests.sources.figures import apart

LATE_SHARE, LATEST_DAYS = 0.1, 90
_ROWS_A_PIECE = 60
_SOME_DAY = date(2025, 6, 1)
_DAY = re.compile(rb'"timestamp":"(\d{4}-\d\d-\d\d)')
Pieces = dict[str, bytes]


def cut_world(landing: Path, seed: int) -> tuple[Pieces, int]:
    """The files of a world as many small ones by name, and how many of its events are late.

    Copies that were planted under another name are left out: of two names of one content, the
    first that is loaded is the one that raw remembers.
    """
    chance = random.Random(seed)
    pieces: Pieces = {}
    late = 0
    arriving: dict[str, list[bytes]] = defaultdict(list)
    for path in sorted(landing.rglob("*")):
        name = path.relative_to(landing).as_posix()
        if not path.is_file() or "_" in path.name.removeprefix("receipt_lines").removeprefix(
            "order_lines"
        ):
            continue
        if path.suffix == ".parquet":
            pieces |= _cut_parquet(name, path)
        elif path.suffix != ".sha256":
            packed = path.suffix == ".gz"
            content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
            lines = content.splitlines(keepends=True)
            if "/events/" not in name:
                pieces |= _cut_csv(name.removesuffix(".gz"), lines)
                continue
            for line in lines:
                day, is_late = _arrival(line, chance)
                late += is_late
                arriving[f"{name.split('/events/')[0]}/events/week-{day}.ndjson"].append(line)
    return pieces | {name: b"".join(lines) for name, lines in arriving.items()}, late


def _arrival(line: bytes, chance: random.Random) -> tuple[date, bool]:
    found = _DAY.search(line)
    try:
        happened = date.fromisoformat(found[1].decode()) if found else _SOME_DAY
    except ValueError:  # a malformed row that the world has planted
        happened = _SOME_DAY
    is_late = chance.random() < LATE_SHARE
    arrived = happened + timedelta(days=chance.randint(1, LATEST_DAYS) if is_late else 0)
    return arrived - timedelta(days=arrived.weekday()), is_late


def _cut_csv(name: str, lines: list[bytes]) -> Pieces:
    header = [] if name.endswith(".ndjson") else lines[:1]
    stem, _, suffix = name.rpartition(".")
    rows = lines[len(header) :]
    return {
        f"{stem}.{start:06}.{suffix}": b"".join([*header, *rows[start : start + _ROWS_A_PIECE]])
        for start in range(0, len(rows), _ROWS_A_PIECE)
    }


def _cut_parquet(name: str, path: Path) -> Pieces:
    rows = pq.read_table(path)
    pieces: Pieces = {}
    for start in range(0, rows.num_rows, _ROWS_A_PIECE):
        sink = io.BytesIO()
        pq.write_table(rows.slice(start, _ROWS_A_PIECE), sink)
        pieces[f"{name.removesuffix('.parquet')}.{start:06}.parquet"] = sink.getvalue()
    return pieces


def load_in_order(data: Path, pieces: Pieces, seed: int, loaded: tuple[Table, ...]) -> int:
    """Land the files in a random order in batches, with a load after each; returns the loads."""
    chance = random.Random(seed)
    names = sorted(pieces)
    chance.shuffle(names)
    bounds = [0, *sorted(chance.sample(range(1, len(names)), chance.randint(1, 4))), len(names)]
    (data / "landing").mkdir(parents=True)
    for batch, (start, end) in enumerate(itertools.pairwise(bounds)):
        for name in names[start:end]:
            target = data / "landing" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(pieces[name])
        for table in loaded:
            load_table(table, data, loaded_at=AS_OF + timedelta(days=batch))
    return len(bounds) - 1


def different_raw_rows(data: Path, other: Path, loaded: tuple[Table, ...]) -> int:
    """Raw rows of two data directories that only one has, in any column but `_loaded_at`."""
    return sum(apart(data, other, table) for table in loaded)


def built_marts(data: Path, layers: Path) -> dict[str, tuple[int, str]]:
    """Rows and a hash that doesn't depend on their order, for each table that a run publishes."""
    with duckdb.connect(str(data / "warehouse.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        as_it_is = warehouse.Build("order", AS_OF, "UTC", "EUR", "PT", AS_OF)
        warehouse.begin(connection, as_it_is)
        for stage in STAGES:
            if stage == "raw":
                create_views(connection, data)
            elif stage == "identity":
                identity.resolve(
                    connection, as_of=AS_OF, default_country="PT", salt="", previous=None
                )
            elif stage == "prediction":
                predict(connection, today=warehouse.current(connection).today)
            elif stage == "calendar":
                write_holidays(connection, today=warehouse.current(connection).today)
            else:
                build(connection, layers / f"{stage}.json")
        found = connection.execute(
            f"""select schema_name || '.' || table_name from duckdb_tables()
            where schema_name in {COMPARED} order by all"""
        ).fetchall()
        return {table: _content(connection, table) for (table,) in found}


def _content(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, str]:
    [(rows, digest)] = connection.execute(
        f"select count(*), coalesce(sum(hash(t)::hugeint), 0)::varchar from {table} t"
    ).fetchall()
    return rows, digest


def _compile(house: House, layers: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.floor", "compile", str(layers)],
        env=house.environment(),
        cwd=Path(__file__).parents[2],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def measure(folder: Path, orders: range, customers: int) -> Iterator[tuple[int, int, list[str]]]:
    """Of each order: the loads, the raw rows that differ, the published tables that differ."""
    house, layers = House(folder / "calm"), folder / "layers"
    write_world(
        folder / "world", customers=customers, seed=3, as_of=AS_OF, lines_per_receipt=2, dirty=0.01
    )
    pieces, late = cut_world(folder / "world" / "landing", seed=1)
    for name, content in pieces.items():
        target = house.data / "landing" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    house.succeed("run")
    expected = house.content()
    _compile(house, layers)
    print(f"{len(pieces)} files, {late} late events, {len(expected)} tables", flush=True)  # noqa: T201
    for number in orders:
        data = folder / f"order-{number}"
        loads = load_in_order(data, pieces, number, tables())
        raw = different_raw_rows(house.data, data, tables())
        content = built_marts(data, layers)
        names = sorted(content.keys() | expected.keys())
        yield loads, raw, [name for name in names if content.get(name) != expected.get(name)]
        shutil.rmtree(data)


def main() -> None:
    """Print of each order whether it came to the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the number of the first order")
    parser.add_argument("--customers", type=int, default=40)
    chosen = parser.parse_args()
    same, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        orders = range(chosen.first, chosen.first + chosen.orders)
        found = measure(Path(folder), orders, chosen.customers)
        for number, (loads, raw, marts) in zip(orders, found, strict=True):
            same += not (raw or marts)
            print(  # noqa: T201 - a script's result
                f"order {number}, {loads} loads: {raw} raw rows differ, "
                f"{', '.join(marts) or 'no table'} differs; {time.monotonic() - began:.0f} s",
                flush=True,
            )
    print(f"{same} of {chosen.orders} orders came to the same raw and the same marts")  # noqa: T201
    raise SystemExit(same != chosen.orders)


if __name__ == "__main__":
    main()
