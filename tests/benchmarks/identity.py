"""How long it takes to tell who is who among millions of records, beside what its parts take bare.

* All of it (links, components, ids, history, tables) on RECORDS records with 1.6 identifiers each,
  in a process of its own.
* Components: scipy's on the same edges, and Splink's clustering on a tenth of them.
* Likeness: a bare Splink script with the same settings, on COMPARED registrations; they take turns.

    python -m tests.benchmarks.identity [records] [compared] [pairs]
"""

import logging
import os
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


def whole(path: Path) -> float:
    """Seconds of one resolution."""
    with connect(path) as connection:
        began = time.perf_counter()
        report = resolve(connection, as_of=AS_OF, default_country="RO", salt="s", previous=None)
        seconds = time.perf_counter() - began
    sys.stderr.write(f"{report.profiles:,} persons, {report.links:,} links\n")
    return seconds


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


def _apart(path: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a fresh process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.identity", "--one", str(path)],
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
        seconds, peak = _apart(path)
        _log.info("%d records: %.1f s, %.0f MB at the peak", records, seconds, peak)
        components(path, records, pairs)
    likeness(compared, pairs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.stdout.write(str(whole(Path(sys.argv[2]))))
    else:
        _log.addHandler(logging.StreamHandler(sys.stdout))
        _log.setLevel(logging.INFO)
        measure(*(int(argument) for argument in sys.argv[1:]))
