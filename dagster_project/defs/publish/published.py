"""The double bar: a build whose gates all passed replaces the published file."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from dagster_project.defs.failures import in_one_line
from dagster_project.defs.publish.audiences import audience_specs
from dagster_project.defs.quality.expected import expected_gates
from dagster_project.defs.resources import Warehouse
from dagster_project.defs.transform import project
from dagster_project.publishing import ledger
from dagster_project.publishing.swap import publish_build

PUBLISHED = dg.AssetKey(["published", "build"])


@dg.asset(
    key=PUBLISHED,
    deps=[*project.nodes("marts"), *project.nodes("audiences")],
    group_name="published",
    kinds={"duckdb"},
    owners=["team:data-engineering"],
    description="published.duckdb: the marts and audiences of the last build whose gates all "
    "passed. Everything outside reads only this. Grain: one build.",
)
@in_one_line()
def published(warehouse: Warehouse) -> dg.MaterializeResult:
    """Ask for every expected gate once more, then swap the file; a closed gate leaves it as is."""
    settings = warehouse.settings
    warehouse.release()
    report = publish_build(
        settings.warehouse,
        settings.published,
        expected=expected_gates(),
        audiences=audience_specs(),
        finished_at=datetime.now(UTC),
    )
    ledger.record_build(
        settings.ledger, run_id=report.run_id, outcome="published", at=report.finished_at
    )
    return dg.MaterializeResult(
        metadata={
            "as_of": dg.MetadataValue.timestamp(report.as_of),
            "gates passed": report.gate_count,
            "bytes": report.byte_count,
            "tables": dg.MetadataValue.md(_table(report.row_counts)),
        }
    )


def _table(row_counts: Mapping[str, int]) -> str:
    rows = "\n".join(f"| {name} | {count:,} |" for name, count in row_counts.items())
    return f"| table | rows |\n| --- | ---: |\n{rows}"


@dg.definitions
def defs() -> dg.Definitions:
    """The published file."""
    return dg.Definitions(assets=[published])
