"""Raw: one asset for each source table, filled from the files that landed."""

from datetime import UTC, datetime, timedelta

import dagster as dg

import sources
from dagster_project import warehouse as builds
from dagster_project.defs.failures import in_one_line
from dagster_project.defs.ingest import checks
from dagster_project.defs.quality.outcomes import keep
from dagster_project.defs.resources import Warehouse
from dagster_project.publishing import gates
from dagster_project.publishing.erasure.tombstones import read_erased
from dagster_project.settings import load as load_settings
from sources.contract import Table
from sources.erp_database.mapping import is_mapped
from sources.loader import quarantine
from sources.loader.load import LoadReport, create_views, load_table
from sources.loader.store import Store

BUILD = dg.AssetKey(["meta", "build"])
ERP_DATABASE = dg.AssetKey(["landing", "erp_database"])
# Files shown of a table, and from when on a lag is told in days.
_SHOWN, _HOURS = 20, 72


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
    from_database = load_settings().reads_erp and _is_read(table)

    @dg.asset(
        key=key,
        deps=[ERP_DATABASE if from_database else BUILD],
        group_name="raw",
        kinds={"parquet", table.source},
        owners=["team:data-engineering"],
        description=table.description,
        check_specs=checks.specs(key),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(days=2), warn_window=timedelta(hours=26)
        ),
    )
    @in_one_line()
    def load(
        context: dg.AssetExecutionContext, config: LoadConfig, warehouse: Warehouse
    ) -> dg.MaterializeResult:
        settings = warehouse.settings
        report = load_table(
            table,
            settings.data_dir,
            loaded_at=datetime.now(UTC),
            url=settings.objects_url,
            formats=settings.formats_file,
            erased=read_erased(
                settings.ledger,
                salt=settings.holdout_salt.get_secret_value(),
                default_country=settings.default_country,
            ),
            anew=config.reprocess,
        )
        for rule, count in report.rejected_by_rule.items():
            context.log.warning("%s: %s quarantined by rule %s", table.full_name, count, rule)
        with warehouse.connect() as connection:
            stock = quarantine.stock(connection, table, Store(settings.data_dir))
        found = checks.outcomes(table, report, stock, settings)
        keep(warehouse, found, run_id=context.run.run_id)
        return dg.MaterializeResult(
            metadata=_metadata(report, stock),
            check_results=[checks.result(outcome) for outcome in found],
        )

    return load


def _is_read(table: Table) -> bool:
    """Whether the ERP's database may have rows for the table.

    Its own tables wait for it in any case: of a kind that nobody knows, the read will say so.
    """
    return table.source == "erp" or is_mapped(load_settings().erp_kind, table)


def _metadata(report: LoadReport, stock: quarantine.Stock) -> dict[str, dg.MetadataValue]:
    """Say what lies in raw and what this load added, in counts and names of files and rules."""
    newest, anew = report.newest_event_at, report.reprocessed
    times = [one.newest_event_at for one in report.history.held if one.newest_event_at]
    return {
        "dagster/row_count": dg.MetadataValue.int(stock.loaded),
        "files landed": dg.MetadataValue.int(report.files_seen),
        "new files": dg.MetadataValue.int(report.files_new),
        "new rows": dg.MetadataValue.int(report.rows),
        "bytes read": dg.MetadataValue.int(report.bytes_read),
        "rows of erased people left out": dg.MetadataValue.int(report.rows_erased),
        "files refused": dg.MetadataValue.int(report.files_rejected),
        "rows in quarantine": dg.MetadataValue.int(stock.quarantined),
        "quarantine by rule": dg.MetadataValue.json(stock.by_rule),
        "formats of the new files": dg.MetadataValue.json(report.formats),
        "newest files": dg.MetadataValue.md(_files(report)),
        **({"newest event": dg.MetadataValue.timestamp(max(times))} if times else {}),
        **({"newest event of the new files": dg.MetadataValue.timestamp(newest)} if newest else {}),
        **({"made anew": dg.MetadataValue.text(str(anew))} if anew else {}),
    }


def _files(report: LoadReport) -> str:
    """The newest files as a table, the newest first; the lag is from a file's event to its load."""
    head = "| file | rows | bytes | quarantined | newest event | lag | loaded |"
    rows = [
        f"| {_cell(one.landed_file)} | {one.row_count:,} | {one.byte_count:,} | "
        f"{_cell(', '.join(f'{rule} {count:,}' for rule, count in one.refused.items()))} | "
        f"{_time(one.newest_event_at)} | {_lag(one.newest_event_at, one.loaded_at)} | "
        f"{_time(one.loaded_at)} |"
        for one in report.history.held[: -_SHOWN - 1 : -1]
    ]
    return "\n".join([head, "| --- | ---: | ---: | --- | --- | ---: | --- |", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _lag(event_at: datetime | None, loaded_at: datetime) -> str:
    hours = (loaded_at - event_at) / timedelta(hours=1) if event_at else None
    if hours is None:
        return ""
    return f"{hours:,.1f} h" if abs(hours) < _HOURS else f"{hours / 24:,.1f} days"


@dg.definitions
def defs() -> dg.Definitions:
    """One asset for each table that `sources/` declares."""
    return dg.Definitions(assets=[build, *(raw_asset(table) for table in sources.tables())])
