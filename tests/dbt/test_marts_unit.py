"""The unit tests that stand beside the steering marts."""

from datetime import timedelta
from pathlib import Path

from marts_world import EVERYTHING, TODAY, World, build, manifest, outcomes, write

MODELS = {
    "churn_factors",
    "churn_reasons",
    "purchase_slowdowns",
    "customer_lifecycle_history",
    "customer_lifecycle",
    "customer_dimensions",
    "retention_kpis_by_dimension",
    "retention_kpis",
    "customer_value",
    "value_cohorts",
}


def test_every_unit_test_of_the_steering_marts_passes(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    write(path, World({"ana": [TODAY]}, {"ana": TODAY - timedelta(days=1)}))
    build(path)
    found = outcomes(path, EVERYTHING, command="test", exclude="resource_type:test")
    assert set(found.values()) == {"pass"}
    tested = {unit_test.model for unit_test in manifest().unit_tests.values()}
    assert tested >= MODELS
