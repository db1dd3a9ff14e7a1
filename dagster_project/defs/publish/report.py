"""The report as an asset: one page, made anew of each published build."""

import dagster as dg

from dagster_project.defs.failures import in_one_line
from dagster_project.defs.publish.published import PUBLISHED
from dagster_project.defs.resources import Warehouse


@dg.asset(
    key=["published", "report"],
    deps=[PUBLISHED],
    group_name="published",
    kinds={"html"},
    owners=["team:analytics"],
    description="report.html: what customers are worth and what moves it, cohorts, churn, "
    "slowdowns, audiences, data quality. One file that opens offline. Grain: one page.",
)
@in_one_line()
def report(warehouse: Warehouse) -> dg.MaterializeResult:
    """Draw the published build; nobody is named."""
    from dagster_project.reporting import write_report

    settings = warehouse.settings
    written = write_report(settings.published, settings.ledger, settings.report)
    return dg.MaterializeResult(
        metadata={"file": dg.MetadataValue.path(written.path), "bytes": written.byte_count}
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The report."""
    return dg.Definitions(assets=[report])
