"""How long it takes to tell who is who among millions of records, beside what its parts take bare.

* All of it (links, components, ids, history, tables) on RECORDS records with 1.6 identifiers each,
  in a process of its own.
* An increment: one record in a hundred was seen again; beside judging everybody, of the same build.
* Components: scipy's on the same edges, and Splink's clustering on a tenth of them.
* Likeness: a bare Splink script with the same settings, on COMPARED registrations; they take turns.

    python -m tests.benchmarks.identity [records] [compared] [pairs]
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from splink import DuckDBAPI, Linker
from splink.clustering import cluster_pairwise_predictions_at_threshold

from dagster_project.database import connect, read
from dagster_project.identity import matching, resolve
from dagster_project.identity.components import component_labels
from dagster_project.identity.increment import know_nothing
from dagster_project.identity.judging import gather_all
from dagster_project.identity.links import join_all
from dagster_project.identity.overrides import decide
from dagster_project.identity.rules import load_rules
from tests.benchmarks.identity_world import write_registrations, write_signals

_log = logging.getLogger("identity_benchmark")

RECORDS = 10_000_000
COMPARED = 100_000
PAIRS = 3
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
_PUBLISH = """
    create schema published.marts;
    create table published.marts.customer_identifiers as from identity.identifiers;
    create table published.marts.identity_history as from identity.history;
    create schema published.meta;
    create table published.meta.identity_measures as from identity.measures;
    create table published.meta.identity_resolution as from identity_state.resolution;
    detach published
"""
_SEEN_AGAIN = """
    create table staging.seen as
    select * replace (
        last_seen_at + to_days((hash(signal_id) % 100 = 0)::integer) as last_seen_at,
        record_count + (hash(signal_id) % 100 = 0)::bigint as record_count
    )
    from staging.stg_identity__signals;
    drop table staging.stg_identity__signals;
    alter table staging.seen rename to stg_identity__signals
"""
_DIFFERING = """
    select count(*) from (
        select signal_id, profile_id from identity.resolved
        except select signal_id, profile_id from everybody.identity.resolved
    )
"""
_EDGES = """
    select signal_no, identifier
    from (
        select rowid as signal_no, unnest([anonymous_id, email, loyalty_id, erp_customer_id,
            payment_card]) as value
        from staging.stg_identity__signals
    )
    join (
        select value, row_number() over () + {records} - 1 as identifier
        from (
            select distinct unnest([anonymous_id, email, loyalty_id, erp_customer_id,
                payment_card]) as value
            from staging.stg_identity__signals
        ) where value is not null
    ) using (value)
"""


def once(path: Path, *, full: bool) -> float:
    """Seconds of one resolution."""
    previous = path.with_name("published.duckdb")
    with connect(path) as connection:
        began = time.perf_counter()
        report = resolve(
            connection,
            as_of=AS_OF,
            default_country="RO",
            salt="s",
            previous=previous if previous.exists() else None,
            full=full,
        )
        seconds = time.perf_counter() - began
    sys.stderr.write(
        f"{report.profiles:,} persons, {report.links:,} links, "
        f"{report.judged_signals:,} signals judged\n"
    )
    return seconds


def increment(path: Path) -> None:
    """A day later: one record in a hundred was seen again."""
    everybody = path.with_name("everybody.duckdb")
    with connect(path) as connection:
        connection.execute(f"attach '{path.with_name('published.duckdb')}' as published")
        connection.execute(_PUBLISH)
        connection.execute(_SEEN_AGAIN)
    shutil.copyfile(path, everybody)
    os.sync()
    part, part_peak = _apart(path, full=False)
    os.sync()
    whole, whole_peak = _apart(everybody, full=True)
    with connect(path) as connection:
        connection.execute(f"attach '{everybody}' as everybody (read_only)")
        (differing,) = connection.execute(_DIFFERING).fetchall()[0]
    _log.info(
        "an increment of 1%%: %.1f s, %.0f MB; judging everybody %.1f s, %.0f MB: %.3f of the "
        "time, %d signals with another person",
        part,
        part_peak,
        whole,
        whole_peak,
        part / whole,
        differing,
    )


def components(path: Path, records: int, pairs: int) -> None:
    """Ours beside scipy's, on the same edges; then Splink's on a tenth of the records."""
    with connect(path, read_only=True) as connection:
        edges = read(connection, _EDGES.format(records=records))
    left, right = (edges.column(name).to_numpy() for name in edges.column_names)
    count = int(right.max()) + 1

    def bare() -> Any:
        matrix = csr_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
        return connected_components(matrix, directed=False)

    times = [
        (_timed(bare), _timed(lambda: component_labels(count, left, right))) for _ in range(pairs)
    ]
    _tell(f"components of {len(left):,} edges", "scipy", times)
    few = left < records // 10
    left, right = left[few], right[few]
    nodes, (left, right) = _renumbered(left, right)
    ours = _timed(lambda: component_labels(nodes, left, right))
    with duckdb.connect() as connection:
        given = {
            "nodes": pa.table({"node": np.arange(nodes)}),
            "edges": pa.table(
                {"node_l": left, "node_r": right, "match_probability": np.ones(len(left))}
            ),
        }
        for name, table in given.items():
            connection.register(f"given_{name}", table)
            connection.execute(f"create table {name} as from given_{name}")
        api = DuckDBAPI(connection=connection)
        splinks = _timed(
            lambda: cluster_pairwise_predictions_at_threshold(
                api.register("nodes"),
                api.register("edges"),
                api,
                "node",
                threshold_match_probability=0.5,
            )
        )
    _log.info(
        "components of %d edges: %.2f s against Splink's %.1f s: %.0f times as fast",
        len(left),
        ours,
        splinks,
        splinks / ours,
    )


def likeness(compared: int, pairs: int) -> None:
    """Ours beside a bare Splink script with the same settings and the same records."""
    rules, model = load_rules(), matching.load_model(matching.SHIPPED_MODEL)
    with duckdb.connect() as connection:
        write_registrations(connection, compared)
        evidence = gather_all(connection, rules, "RO")
        know_nothing(connection)
        nobody = decide(connection, [], evidence.node_count)
        joining = join_all(connection, rules, evidence, nobody)
        records = matching._blocked(joining, rules)
        records = records.select([n for n in records.column_names if not n.startswith("tf_")])
        settings = matching._with_blocks(model)

        def bare() -> int:
            with duckdb.connect() as own:
                own.register("given", records)
                own.execute("create table records as from given")
                api = DuckDBAPI(connection=own)
                linker = Linker(api.register("records"), settings, log_level=logging.ERROR)
                found = linker.inference.predict(threshold_match_probability=rules.review)
                return len(found.as_duckdbpyrelation().to_arrow_table())

        times = [
            (_timed(bare), _timed(lambda: matching.propose(joining, rules, model)))
            for _ in range(pairs)
        ]
    _tell(f"likeness of {compared:,} registrations", "a bare Splink script", times)


def _renumbered(left: Any, right: Any) -> tuple[int, tuple[Any, Any]]:
    names, numbers = np.unique(np.concatenate([left, right]), return_inverse=True)
    return len(names), (numbers[: len(left)], numbers[len(left) :])


def _tell(what: str, peer: str, times: list[tuple[float, float]]) -> None:
    peers, ours = (median(side) for side in zip(*times, strict=True))
    ratio = median(own / other for other, own in times)
    _log.info("%s: %.2f s against %s's %.2f s: %.2f times", what, ours, peer, peers, ratio)


def _timed(action: Any) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _apart(path: Path, *, full: bool) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a fresh process."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.benchmarks.identity",
            "--everybody" if full else "--increment",
            str(path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("the resolution failed, see above")
    return float(output), usage.ru_maxrss / 1024


def measure(records: int = RECORDS, compared: int = COMPARED, pairs: int = PAIRS) -> None:
    """Measure, and tell."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        with connect(path) as connection:
            write_signals(connection, records)
        seconds, peak = _apart(path, full=True)
        _log.info("%d records: %.1f s, %.0f MB at the peak", records, seconds, peak)
        increment(path)
        components(path, records, pairs)
    likeness(compared, pairs)


if __name__ == "__main__":
    if sys.argv[1:2] in (["--everybody"], ["--increment"]):
        sys.stdout.write(str(once(Path(sys.argv[2]), full=sys.argv[1] == "--everybody")))
    else:
        _log.addHandler(logging.StreamHandler(sys.stdout))
        _log.setLevel(logging.INFO)
        measure(*(int(argument) for argument in sys.argv[1:]))
