"""How long a landed NDJSON file takes to raw, against DuckDB's own reader.

The floor is `read_json(columns = the contract's types)` copied to Parquet with zstd: one statement
that checks nothing, hashes nothing, keeps no line and no unknown key. Floor and loader take turns,
each measurement in a process of its own, and the ratio is the median over the pairs.

The peer is dlt's pipeline from a folder of NDJSON to DuckDB. It takes a row at a time, so it is
measured on a smaller file of the same events and compared by rows a second.

    python tests/benchmarks/ndjson_ingest.py [rows] [pairs] [rows for dlt]
    python tests/benchmarks/ndjson_ingest.py 2000000    # 1.4 GB
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median

import duckdb

from sources import tables
from sources.loader.load import load_table
from sources.loader.sql import file_literal, literal
from sources.loader.values import sql_type

_log = logging.getLogger("ndjson_ingest")

ROWS = 500_000
PAIRS = 5
PEER_ROWS = 100_000
(EVENTS,) = (table for table in tables() if table.full_name == "web_events")

# An event of a web shop's visitor, of about 740 bytes.
EVENTS_SQL = """
    select if(h % 10 < 7, 'track', 'page') as type, md5(i::varchar) as "messageId",
        strftime(happened, '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
        strftime(happened, '%Y-%m-%dT%H:%M:%S.%gZ') as "originalTimestamp",
        strftime(happened + interval 1 second, '%Y-%m-%dT%H:%M:%S.%gZ') as "receivedAt",
        strftime(happened, '%Y-%m-%dT%H:%M:%S.%gZ') as "sentAt",
        md5((h % 50000)::varchar) as "anonymousId", if(h % 3 = 0, 'u' || (h % 20000), null)
            as "userId",
        if(h % 10 < 7, 'Product Viewed', null) as event,
        {'product_id': 'p' || (h % 5000), 'name': 'Brânză de burduf ' || (h % 5000),
            'category': 'Dairy', 'price': (h % 10000) / 100.0, 'quantity': h % 5,
            'currency': 'EUR', 'cart_id': 'c' || (h % 90000)} as properties,
        {'ip': '10.0.0.' || (h % 250), 'locale': 'ro-RO', 'userAgent':
            'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0',
            'page': {'url': 'https://shop.example/p/' || (h % 5000), 'title': 'A product'},
            'device': {'id': md5((h % 40000)::varchar)}} as context
    from (select i, hash(i) as h, timestamp '2024-01-01' + to_minutes(i) as happened
        from range({rows}) as numbers (i))
"""


def floor(landed: Path, data: Path) -> None:
    """DuckDB's own reader to Parquet."""
    columns = ", ".join(f"{literal(c.name)}: {literal(sql_type(c))}" for c in EVENTS.columns)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            f"""copy (from read_json({file_literal(landed)}, format = 'newline_delimited',
                columns = {{{columns}}}))
            to {literal(str(data / "floor.parquet"))} (format parquet, compression zstd)"""
        )


def loader(_: Path, data: Path) -> None:
    """Landing to raw, everything included."""
    shutil.rmtree(data / "raw", ignore_errors=True)
    report = load_table(EVENTS, data, loaded_at=datetime.now(UTC))
    if report.rows_rejected or report.files_new != 1:
        raise RuntimeError(f"The benchmark's file should load whole: {report}")


def peer(landed: Path, data: Path) -> None:
    """dlt's filesystem source to DuckDB, as its documentation shows it."""
    import dlt
    from dlt.sources.filesystem import filesystem, read_jsonl

    files = filesystem(bucket_url=landed.parent.as_uri(), file_glob=landed.name)
    pipeline = dlt.pipeline(
        "peer",
        pipelines_dir=str(data / "pipelines"),
        destination=dlt.destinations.duckdb(str(data / "events.duckdb")),
        dataset_name="peer",
    )
    pipeline.run((files | read_jsonl()).with_name("events")).raise_on_failed_jobs()
    with pipeline.sql_client() as client:
        [(rows,)] = client.execute_sql("select count(*) from events") or [(0,)]
    with landed.open("rb") as lines:
        if rows != sum(1 for _ in lines):
            raise RuntimeError(f"dlt loaded {rows} rows, which aren't all")


def one(kind: str, landed: Path, data: Path) -> float:
    """Run one of the three and give its seconds; all that it imports is imported before."""
    if kind == "peer":
        os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(data / "dlt")}
        import_module("dlt.sources.filesystem")
        import_module("dlt.destinations.impl.duckdb.duck")
    began = time.perf_counter()
    {"floor": floor, "loader": loader, "peer": peer}[kind](landed, data)
    return time.perf_counter() - began


def _apart(kind: str, landed: Path, data: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a fresh process."""
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, __file__, "--one", kind, str(landed), str(data)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{kind} failed, see above")
    return float(output), usage.ru_maxrss / 1024


def land_events(data: Path, rows: int) -> Path:
    """Land one file of `rows` events."""
    landed = data / "landing" / "web" / "events" / "events.ndjson"
    landed.parent.mkdir(parents=True)
    duckdb.sql(
        f"copy ({EVENTS_SQL.replace('{rows}', str(rows))}) to {literal(str(landed))} (format json)"
    )
    return landed


def measure_peer(rows: int = PEER_ROWS) -> float:
    """Rows a second of dlt's pipeline."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak = _apart("peer", land_events(Path(folder), rows), Path(folder))
    _log.info("dlt: %d events in %.1f s, %.0f MB at the peak", rows, seconds, peak)
    return rows / seconds


def measure(rows: int = ROWS, pairs: int = PAIRS, peer_rows: int = PEER_ROWS) -> dict[str, float]:
    """Measure `pairs` pairs on a file of `rows` events, tell them, and give the medians."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        landed = land_events(data, rows)
        megabytes = landed.stat().st_size / 1e6
        _apart("floor", landed, data)  # the file into the page cache
        found = []
        for pair in range(1, pairs + 1):
            (floor_seconds, floor_peak), (seconds, peak) = (
                _apart(kind, landed, data) for kind in ("floor", "loader")
            )
            found.append((floor_seconds, seconds, seconds / floor_seconds, floor_peak, peak))
            _log.info("pair %d: floor %.2f s, loader %.2f s", pair, floor_seconds, seconds)
    names = ("floor_seconds", "seconds", "ratio", "floor_peak_mb", "peak_mb")
    result = {
        name: median(values) for name, values in zip(names, zip(*found, strict=True), strict=True)
    }
    _log.info(
        "%d events, %.0f MB: %.2f s (%.0f MB at the peak) against DuckDB's own %.2f s (%.0f MB): "
        "ratio %.2f",
        *(rows, megabytes, result["seconds"], result["peak_mb"]),
        *(result["floor_seconds"], result["floor_peak_mb"], result["ratio"]),
    )
    times = rows / result["seconds"] / measure_peer(peer_rows)
    _log.info(
        "%.2f of the rate of DuckDB's own reader (aim 0.8), %.0f times that of dlt by rows "
        "(aim 50), %.0f MB at the peak (aim 2,000)",
        *(1 / result["ratio"], times, result["peak_mb"]),
    )
    return result | {"rows": rows, "megabytes": megabytes, "times_dlt": times}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.stdout.write(str(one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
    else:
        logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
        measure(*(int(argument) for argument in sys.argv[1:]))
