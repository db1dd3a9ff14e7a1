"""The ERP's database as a source of files: read before the ERP's raw tables are loaded."""

from datetime import timedelta

import dagster as dg

from dagster_project.defs.failures import in_one_line
from dagster_project.defs.ingest.raw import BUILD, ERP_DATABASE
from dagster_project.defs.resources import Warehouse
from dagster_project.settings import load


@dg.asset(
    key=ERP_DATABASE,
    deps=[BUILD],
    group_name="landing",
    kinds={"postgres"},
    owners=["team:data-engineering"],
    description="What is new, changed or gone in the ERP's own database since it was last read, "
    "landed as files. Read-only, one state of the ERP for all tables. Grain: one read.",
)
@in_one_line()
def erp_database(warehouse: Warehouse) -> dg.MaterializeResult:
    """Read the ERP; when it doesn't answer, the build ends: its orders would be missing."""
    from sources.erp_database import collect  # and with it a driver that few runs need

    settings = warehouse.settings
    found = collect(
        settings.erp_url.get_secret_value() if settings.erp_url else "",
        settings.erp_kind,
        settings.data_dir,
        objects_url=settings.objects_url,
        overlap=timedelta(minutes=settings.erp_overlap_minutes),
        timeout=timedelta(seconds=settings.erp_timeout_seconds),
        maximum_gone_share=settings.erp_maximum_gone_share,
        full_read_after=timedelta(hours=settings.erp_full_read_hours),
    )
    rows = "\n".join(
        f"| {one.table} | {one.rows_read:,} | {one.rows_landed:,} | {one.rows_deleted:,} |"
        for one in found
    )
    table = f"| table | rows read | landed | of them gone |\n| --- | ---: | ---: | ---: |\n{rows}"
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(one.rows_landed for one in found),
            "tables": dg.MetadataValue.md(table),
        }
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The read of the ERP's database, where there is an address for it."""
    return dg.Definitions(assets=[erp_database] if load().reads_erp else [])
