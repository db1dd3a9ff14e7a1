"""Raw: one asset for each source table, filled from the files that landed."""

from datetime import UTC, datetime

import dagster as dg
from sources.contract import Table
from sources.load import LoadReport, create_views, load_table

import sources
from dagster_project import warehouse as builds
from dagster_project.defs.resources import WAREHOUSE_POOL, Warehouse
from dagster_project.publishing import gates

BUILD = dg.AssetKey(["meta", "build"])
QUARANTINE_CHECK = "few rows are quarantined"


class BuildConfig(dg.Config):
    """What a person may choose when starting a build."""

    as_of: str = ""


@dg.asset(
    key=BUILD,
    group_name="raw",
    kinds={"duckdb"},
    owners=["team:data-engineering"],
    pool=WAREHOUSE_POOL,
    description="The build under way: its logical now (`as_of`), time zone and reporting currency. "
    "One row, read by every model. Grain: one build.",
)
def build(
    context: dg.AssetExecutionContext, config: BuildConfig, warehouse: Warehouse
) -> dg.MaterializeResult:
    """Begin a build: nothing that an earlier build's gates said counts any longer."""
    settings = warehouse.settings
    started_at = datetime.now(UTC).replace(microsecond=0)
    as_of = datetime.fromisoformat(config.as_of) if config.as_of else settings.as_of or started_at
    begun = builds.Build(
        run_id=context.run.run_id,
        as_of=as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC),
        business_timezone=settings.timezone,
        reporting_currency=settings.reporting_currency,
        default_country=settings.default_country,
        started_at=started_at,
    )
    with warehouse.connect() as connection:
        gates.invalidate(connection, "raw")
        builds.begin(connection, begun)
    return dg.MaterializeResult(
        metadata={
            "as_of": dg.MetadataValue.timestamp(begun.as_of),
            "time zone": begun.business_timezone,
            "reporting currency": begun.reporting_currency,
        }
    )


def raw_asset(table: Table) -> dg.AssetsDefinition:
    """Make the asset of one source table."""

    @dg.asset(
        key=["raw", table.full_name],
        deps=[BUILD],
        group_name="raw",
        kinds={"parquet", table.source},
        owners=["team:data-engineering"],
        pool=WAREHOUSE_POOL,
        description=table.description,
        metadata={"landing": f"landing/{table.source}/{table.name}/"},
    )
    def load(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        settings = warehouse.settings
        report = load_table(table, settings.data_dir, loaded_at=datetime.now(UTC))
        with warehouse.connect() as connection:
            create_views(connection, settings.data_dir, [table])
        for rule, count in report.rejected_by_rule.items():
            context.log.warning("%s: %s rows quarantined by rule %s", table.full_name, count, rule)
        return dg.MaterializeResult(metadata=_metadata(report))

    return load


def _metadata(report: LoadReport) -> dict[str, dg.MetadataValue]:
    return {}


@dg.definitions
def defs() -> dg.Definitions:
    """One asset for each table that `sources/` declares."""
    return dg.Definitions(assets=[build, *(raw_asset(table) for table in sources.tables())])
