"""The dbt metrics, asked as a BI tool asks them, say what the marts say: each is defined once."""

from pathlib import Path
from typing import ClassVar

import duckdb
import pytest
from dbt.contracts.graph.semantic_manifest import SemanticManifest
from marts_world import World, build, days_ago, manifest, random_histories, rows, write
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import (
    parse_manifest_from_dbt_generated_manifest,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

TABLE = "retention_kpis_by_dimension"
KEY = ("day", "dimension", "member")


class Dialect:
    """What MetricFlow needs to know of a database that it only writes SQL for."""

    sql_engine_type: ClassVar = SqlEngine.DUCKDB
    sql_plan_renderer: ClassVar = DuckDbSqlPlanRenderer()


def _columns(model: str) -> set[str]:
    return set(manifest().nodes[f"model.perennial.{model}"].columns)


def _metrics() -> list[str]:
    return sorted(metric.name for metric in manifest().metrics.values())


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("metrics") / "warehouse.duckdb"
    histories = random_histories(60, seed=13)
    reachable = {person: days_ago(700)[0] for person in sorted(histories)[::2]}
    write(path, World(histories, reachable))
    build(path)
    return path


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> MetricFlowEngine:
    written = tmp_path_factory.mktemp("described") / "semantic_manifest.json"
    SemanticManifest(manifest()).write_json_to_file(str(written))
    parsed = parse_manifest_from_dbt_generated_manifest(written.read_text())
    return MetricFlowEngine(SemanticManifestLookup(parsed), Dialect())


def _asked(
    warehouse: Path, engine: MetricFlowEngine, grain: str, *, where: str | None = None
) -> duckdb.DuckDBPyRelation:
    request = MetricFlowQueryRequest.create(
        metric_names=_metrics(),
        group_by_names=[f"metric_time__{grain}", "figure__dimension", "figure__member"],
        where_constraints=[where] if where else None,
    )
    database = manifest().nodes[f"model.perennial.{TABLE}"].database
    connection = duckdb.connect()
    connection.execute(f"attach '{warehouse}' as \"{database}\" (read_only)")
    return connection.sql(engine.explain(request).sql_statement.sql)


def test_every_figure_of_the_marts_is_one_metric() -> None:
    assert set(_metrics()) == _columns(TABLE) - {*KEY}
    assert set(_metrics()) >= _columns("retention_kpis") - {"day"}
    for metric in manifest().metrics.values():
        assert metric.label, metric.name
        assert metric.description, metric.name


def test_a_metric_of_a_day_is_the_column_of_the_mart(
    warehouse: Path, engine: MetricFlowEngine
) -> None:
    names = _metrics()
    found = _asked(warehouse, engine, "day").select(
        "metric_time__day::date, figure__dimension, figure__member, "
        + ", ".join(f"{name}::double" for name in names)
    )
    asked = {row[:3]: list(row[3:]) for row in found.fetchall()}
    kept = rows(warehouse, f"select {', '.join([*KEY, *names])} from marts.{TABLE}")
    assert asked.keys() == {row[:3] for row in kept}
    assert len(kept) > 5000
    for *key, values in ((*row[:3], row[3:]) for row in kept):
        # Amounts have four places in the mart.
        assert asked[tuple(key)] == [
            None if value is None else pytest.approx(float(value), abs=0.00006) for value in values
        ], key


def test_of_a_month_a_metric_says_how_it_ended_and_counts_first_purchases(
    warehouse: Path, engine: MetricFlowEngine
) -> None:
    asked = _asked(warehouse, engine, "month", where="{{ Dimension('figure__dimension') }} = 'all'")
    found = asked.select(
        "metric_time__month::date, subscribers, first_time_customers, customers, orders"
    ).fetchall()
    assert sorted(found) == rows(
        warehouse,
        """
        select date_trunc('month', day)::date as month, last(subscribers order by day),
            sum(first_time_customers)::bigint, last(customers order by day),
            last(orders order by day)
        from marts.retention_kpis_by_dimension where dimension = 'all'
        group by month order by month
        """,
    )
    assert len(found) > 20
