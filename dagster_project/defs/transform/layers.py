"""One step for each dbt layer, so that gates can close between them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from dagster_project.defs.quality.outcomes import keep
from dagster_project.defs.resources import Warehouse
from dagster_project.defs.transform import project
from dagster_project.defs.transform.execution import NodeResult, build_nodes
from dagster_project.publishing import gates

# Unit tests judge the code, not the data: `make test` runs them.
EXCLUDED = "resource_type:unit_test"
# What Python wrote is tested by the layer that reads it first.
SOURCES = {
    "intermediate": ("source:identity",),
    "marts": ("source:prediction", "source:calendar"),
}


def dbt_layer(layer: str) -> dg.AssetsDefinition:
    """Make the step that builds and tests one layer."""

    @dbt_assets(
        name=f"{layer}_models",
        manifest=project.manifest(),
        project=project.project(),
        select=f"fqn:perennial.{layer}",
        exclude=EXCLUDED,
        dagster_dbt_translator=project.StageTranslator(),
    )
    def build(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Any]:
        nodes = project.nodes(layer)
        chosen = [nodes[key] for key in context.selected_asset_keys]
        with warehouse.connect() as connection:
            gates.invalidate(connection, layer)
        results = build_nodes(
            select=[*(".".join(node["fqn"]) for node in chosen), *SOURCES.get(layer, ())],
            exclude=EXCLUDED,
            target_path=warehouse.settings.dagster_home / "dbt" / layer,
            on_node=lambda name, status: context.log.info("%s: %s", name, status),
        )
        keep(warehouse, _outcomes(results), run_id=context.run.run_id)
        yield from _materializations(chosen, results, _row_counts(warehouse, layer))
        yield from _check_results(context, results)
        _raise_for(results)

    return build


def _outcomes(results: Sequence[NodeResult]) -> list[gates.GateOutcome]:
    """Keep what each test said; one that was skipped said nothing, and so stays closed."""
    expected = project.checks()
    return [
        gates.GateOutcome(
            stage=expected[result.unique_id][0].asset_key.path[0],
            asset=expected[result.unique_id][0].asset_key.to_user_string(),
            check_name=expected[result.unique_id][0].name,
            engine="dbt",
            severity=expected[result.unique_id][1],
            passed=result.status == "pass",
            failed_count=result.failed_count,
            message=None if result.status == "pass" else result.message or result.status,
        )
        for result in results
        if result.unique_id in expected and result.status != "skipped"
    ]


def _materializations(
    chosen: Sequence[Mapping[str, Any]],
    results: Sequence[NodeResult],
    rows: Mapping[str, int],
) -> Iterator[dg.MaterializeResult]:
    """Report what was built, in the order it was: a parent before its children."""
    by_id = {node["unique_id"]: node for node in chosen}
    for result in results:
        node = by_id.get(result.unique_id)
        if node is None or result.status != "success":
            continue
        metadata: dict[str, Any] = {"seconds": round(result.seconds, 2)}
        if node["name"] in rows:
            metadata["dagster/row_count"] = rows[node["name"]]
        yield dg.MaterializeResult(asset_key=project.asset_key(node), metadata=metadata)


def _check_results(
    context: dg.AssetExecutionContext, results: Sequence[NodeResult]
) -> Iterator[dg.AssetCheckResult]:
    expected = project.checks()
    for result in results:
        key, severity = expected.get(result.unique_id, (None, ""))
        if (
            key is None
            or key not in context.selected_asset_check_keys
            or result.status == "skipped"
        ):
            continue
        # A broken warning passes with metadata: Dagster's conditions take a failed check for a
        # closed gate, whatever its severity.
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=result.status == "pass" or severity == project.WARNING,
            metadata={"rows that break it": result.failed_count, "severity": severity},
        )


def _row_counts(warehouse: Warehouse, layer: str) -> dict[str, int]:
    with warehouse.connect() as connection:
        found = connection.execute(
            "select table_name, estimated_size from duckdb_tables() where schema_name = ?", [layer]
        )
        return dict(found.fetchall())


def _raise_for(results: Sequence[NodeResult]) -> None:
    """End the step as failed, naming what failed and what to look at."""
    failures = [result for result in results if result.is_failure]
    if failures:
        named = "; ".join(
            f"{failure.unique_id.split('.')[2]} ({failure.message})" for failure in failures[:5]
        )
        more = f" and {len(failures) - 5} more" if len(failures) > 5 else ""
        raise dg.Failure(f"{len(failures)} dbt nodes failed: {named}{more}. Nothing is published.")


@dg.definitions
def defs() -> dg.Definitions:
    """Every layer of the dbt project."""
    return dg.Definitions(assets=[dbt_layer(layer) for layer in project.LAYERS])
