"""How long an ERP's order lines take from PostgreSQL to a landed file, against a bare fetch.

The floor is the mapping's own query fetched by ADBC and written to Parquet: no snapshot, no look at
what is known, no name that says when. Both read Tryton's tables as `sources/erp_database/tryton`
maps them. They take turns, each in a process of its own; the ratio is the median over the pairs.
Then one read with nothing new, and one with a thousand changed lines.

    python -m tests.benchmarks.erp_extract [lines] [pairs]
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psycopg
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi

from sources.erp_database import collect, mapping
from tests.sources.tryton import serve

_log = logging.getLogger("erp_extract")

LINES = 5_000_000
PAIRS = 3
TABLE = "order_lines"

# What the mapping reads of Tryton: a sale for every four lines.
_TABLES = """
    create table currency_currency (id int primary key, rounding numeric);
    insert into currency_currency values (1, 0.01), (2, 1);
    create table product_product (id int primary key, code varchar);
    insert into product_product select id, 'P' || id from generate_series(1, 5000) id;
    create table sale_sale (id int primary key, state varchar, currency int,
        create_date timestamp(6), write_date timestamp(6));
    insert into sale_sale select id, 'done', 1 + id % 2, now(), now()
        from generate_series(1, {sales}) id;
    create table sale_line (id int primary key, sale int, type varchar, product int,
        quantity float8, unit_price numeric, shipment_cost numeric, create_date timestamp(6),
        write_date timestamp(6));
    insert into sale_line select id, 1 + id % {sales}, 'line', 1 + id % 5000, 1 + id % 4,
        (id % 10000) / 100.0, null, now() - interval '1 day', null
        from generate_series(1, {lines}) id;
    analyze;
"""


def _only_order_lines(folder: Path) -> None:
    """Leave the mapping of one table."""
    own = folder / "tryton"
    own.mkdir(parents=True, exist_ok=True)
    query = (mapping._ROOT / "tryton" / f"{TABLE}.sql").read_text()
    (own / f"{TABLE}.sql").write_text(query)
    mapping._ROOT = folder


def floor(url: str, data: Path) -> None:
    """A bare fetch to Parquet."""
    (only,) = mapping.mappings("tryton")
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(only.rows(None))
        reader = cursor.fetch_record_batch()
        with pq.ParquetWriter(data / "floor.parquet", reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)


def one(kind: str, url: str, data: Path) -> float:
    """Run one of the two and give its seconds."""
    _only_order_lines(data / "mapping")
    began = time.perf_counter()
    if kind == "floor":
        floor(url, data)
    else:
        (found,) = collect(url, "tryton", data)
        _log.info("%s", found)
    return time.perf_counter() - began


def _apart(kind: str, url: str, data: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a fresh process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.erp_extract", "--one", kind, url, str(data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{kind} failed, see above")
    return float(output), usage.ru_maxrss / 1024


def measure(lines: int = LINES, pairs: int = PAIRS) -> None:
    """Measure, and tell."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder) / "server") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_TABLES.format(lines=lines, sales=lines // 4))
        _apart("floor", url, Path(folder))  # the tables into memory
        found = []
        for pair in range(1, pairs + 1):
            data = Path(folder) / f"data{pair}"
            data.mkdir()
            floor_seconds, floor_peak = _apart("floor", url, data)
            seconds, peak = _apart("collect", url, data)
            found.append((floor_seconds, seconds, floor_seconds / seconds, floor_peak, peak))
            _log.info("pair %d: floor %.1f s, collected %.1f s", pair, floor_seconds, seconds)
        floor_seconds, seconds, rate, floor_peak, peak = map(median, zip(*found, strict=True))
        _log.info(
            "%d order lines: %.1f s (%.0f MB at the peak) against a bare fetch's %.1f s "
            "(%.0f MB): %.2f of its rate",
            *(lines, seconds, peak, floor_seconds, floor_peak, rate),
        )
        _log.info("nothing new: %.1f s (%.0f MB)", *_apart("collect", url, data))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "update sale_line set quantity = 9, write_date = now() where id <= 1000"
            )
        _log.info("1,000 lines changed: %.1f s (%.0f MB)", *_apart("collect", url, data))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.stdout.write(str(one(sys.argv[2], sys.argv[3], Path(sys.argv[4]))))
    else:
        # Its own alone: the server talks a lot.
        _log.addHandler(logging.StreamHandler(sys.stdout))
        _log.setLevel(logging.INFO)
        measure(*(int(argument) for argument in sys.argv[1:]))
