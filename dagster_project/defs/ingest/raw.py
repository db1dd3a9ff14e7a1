"""Raw: one asset for each source table, filled from the files that landed."""

from datetime import UTC, datetime

import dagster as dg

import sources
from dagster_project import warehouse as builds
from dagster_project.defs.failures import in_one_line
from dagster_project.defs.quality.outcomes import keep
from dagster_project.defs.resources import Warehouse
from dagster_project.publishing import gates
from dagster_project.settings import load as load_settings
from sources import quarantine
from sources.contract import Table
from sources.load import LoadReport, create_views, load_table
from sources.store import Store

BUILD = dg.AssetKey(["meta", "build"])
ERP_DATABASE = dg.AssetKey(["landing", "erp_database"])
REPROCESSED = "made anew"
QUARANTINE_CHECK = "few_rows_are_quarantined"
# A handful of odd rows in a small table is no reason to stop the house.
FEW_ROWS = 10


class BuildConfig(dg.Config):
    """What a person may choose when starting a build."""

    as_of: str = ""


class LoadConfig(dg.Config):
    """What a person may choose for one table."""

    reprocess: bool = False


@dg.asset(
    key=BUILD,
    group_name="raw",
    kinds={"duckdb"},
    owners=["team:data-engineering"],
    description="The build under way: its logical now (`as_of`), time zone and reporting currency. "
    "One row, read by every model. Grain: one build.",
)
@in_one_line()
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
        create_views(connection, settings.data_dir)
    return dg.MaterializeResult(
        metadata={
            "as_of": dg.MetadataValue.timestamp(begun.as_of),
            "time zone": begun.business_timezone,
            "reporting currency": begun.reporting_currency,
        }
    )


def raw_asset(table: Table) -> dg.AssetsDefinition:
    """Make the asset of one source table, with the check on what of it was quarantined."""
    key = dg.AssetKey(["raw", table.full_name])
    from_database = table.source == "erp" and load_settings().erp_url

    @dg.asset(
        key=key,
        deps=[ERP_DATABASE if from_database else BUILD],
        group_name="raw",
        kinds={"parquet", table.source},
        owners=["team:data-engineering"],
        description=table.description,
        check_specs=[
            dg.AssetCheckSpec(
                name=QUARANTINE_CHECK,
                asset=key,
                blocking=True,
                description="Closes when more of the table broke the contract of its source than "
                "PERENNIAL_MAXIMUM_QUARANTINED_SHARE.",
            )
        ],
    )
    @in_one_line()
    def load(
        context: dg.AssetExecutionContext, config: LoadConfig, warehouse: Warehouse
    ) -> dg.MaterializeResult:
        settings = warehouse.settings
        report = load_table(
            table, settings.data_dir, loaded_at=datetime.now(UTC), anew=config.reprocess
        )
        for rule, count in report.rejected_by_rule.items():
            context.log.warning("%s: %s quarantined by rule %s", table.full_name, count, rule)
        with warehouse.connect() as connection:
            stock = quarantine.stock(connection, table, Store(settings.data_dir))
        share = settings.maximum_quarantined_share
        outcome = gates.GateOutcome(
            stage="raw",
            asset=key.to_user_string(),
            check_name=QUARANTINE_CHECK,
            engine="loader",
            severity="critical",
            passed=stock.quarantined <= max(FEW_ROWS, share * stock.total),
            failed_count=stock.quarantined,
            evaluated_count=stock.total,
            message=f"{stock.quarantined} of {stock.total} rows are in quarantine",
        )
        keep(warehouse, [outcome], run_id=context.run.run_id)
        return dg.MaterializeResult(
            metadata=_metadata(report, stock),
            check_results=[
                dg.AssetCheckResult(
                    check_name=QUARANTINE_CHECK,
                    passed=outcome.passed,
                    description=outcome.message,
                    metadata={"by rule": dg.MetadataValue.json(stock.by_rule)},
                )
            ],
        )

    return load


def _metadata(report: LoadReport, stock: quarantine.Stock) -> dict[str, dg.MetadataValue]:
    """Say what lies in raw and what this load added, in counts and names of rules."""
    newest, anew = report.newest_event_at, report.reprocessed
    return {
        "dagster/row_count": dg.MetadataValue.int(stock.loaded),
        "files landed": dg.MetadataValue.int(report.files_seen),
        "new files": dg.MetadataValue.int(report.files_new),
        "new rows": dg.MetadataValue.int(report.rows),
        "bytes read": dg.MetadataValue.int(report.bytes_read),
        "files refused": dg.MetadataValue.int(report.files_rejected),
        "rows in quarantine": dg.MetadataValue.int(stock.quarantined),
        "quarantine by rule": dg.MetadataValue.json(stock.by_rule),
        **({"newest event of the new files": dg.MetadataValue.timestamp(newest)} if newest else {}),
        **({REPROCESSED: dg.MetadataValue.text(str(anew))} if anew else {}),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """One asset for each table that `sources/` declares."""
    return dg.Definitions(assets=[build, *(raw_asset(table) for table in sources.tables())])
