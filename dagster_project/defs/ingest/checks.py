"""The loader's own checks of a raw table: what of it is quarantined, and how its files change."""

from collections.abc import Mapping, Sequence

import dagster as dg

from dagster_project.publishing.gates import GateOutcome
from dagster_project.settings import Settings
from sources.contract import Table
from sources.loader import drift
from sources.loader.load import LoadReport
from sources.loader.quarantine import Stock

QUARANTINE, COLUMNS = "few_rows_are_quarantined", "columns_are_known"
_SHAPES, _UNITS, _SIZES = (
    "files_keep_their_shape",
    "amounts_keep_their_unit",
    "files_keep_their_size",
)
DESCRIPTIONS: Mapping[str, str] = {
    QUARANTINE: "Closes when more of the table broke the contract of its source than "
    "PERENNIAL_MAXIMUM_QUARANTINED_SHARE.",
    _SHAPES: "Closes when a file lacks a required column, or when more of a new file is "
    "quarantined than PERENNIAL_MAXIMUM_QUARANTINED_SHARE: a column's type has changed.",
    _UNITS: "Closes when the median amount of a new file is tenfold that of the files before it, "
    "or a tenth: cents for euros.",
    _SIZES: "Warns when a new file has far fewer or more rows than those of its folder before it "
    "(PERENNIAL_VOLUME_WARNING_FACTOR), closes beyond PERENNIAL_VOLUME_CRITICAL_FACTOR.",
    COLUMNS: "Warns of columns that the contract doesn't know and that weren't there from the "
    "beginning; they are kept in _extra.",
}
# What has to have been asked before anything is published.
CRITICAL = (QUARANTINE, _SHAPES, _UNITS, _SIZES)
_SHOWN = 5


def specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of one raw table, in the order in which they are shown."""
    return [
        dg.AssetCheckSpec(name=name, asset=key, blocking=name in CRITICAL, description=words)
        for name, words in DESCRIPTIONS.items()
    ]


def outcomes(
    table: Table, report: LoadReport, stock: Stock, settings: Settings
) -> list[GateOutcome]:
    """What each check found, in the order of `specs`."""
    share, history = settings.maximum_quarantined_share, report.history
    too_many = stock.quarantined > max(drift.FEW_ROWS, share * stock.total)
    quarantined = f"{stock.quarantined:,} of {stock.total:,} rows are in quarantine"
    found: dict[str, Sequence[drift.Finding]] = {
        QUARANTINE: [drift.Finding("critical", quarantined)] if too_many else [],
        _SHAPES: drift.changed_shapes(history, share),
        _UNITS: drift.changed_units(history),
        _SIZES: drift.changed_sizes(
            history,
            warning=settings.volume_warning_factor,
            critical=settings.volume_critical_factor,
        ),
        COLUMNS: drift.new_columns(history),
    }
    files = len(history.judged())
    looked_at = f"{files:,} newest files were held against those before them"
    return [
        _outcome(table, name, findings, len(findings), files, looked_at)
        if name != QUARANTINE
        else _outcome(table, name, findings, stock.quarantined, stock.total, quarantined)
        for name, findings in found.items()
    ]


def _outcome(
    table: Table,
    name: str,
    findings: Sequence[drift.Finding],
    failed: int,
    evaluated: int,
    otherwise: str,
) -> GateOutcome:
    only_warnings = name not in CRITICAL or {one.severity for one in findings} == {"warning"}
    shown = [one.message for one in sorted(findings, key=lambda one: one.severity)][:_SHOWN]
    more = [f"and {len(findings) - _SHOWN} more"] if len(findings) > _SHOWN else []
    return GateOutcome(
        stage="raw",
        asset=f"raw/{table.full_name}",
        check_name=name,
        engine="loader",
        severity="warning" if only_warnings else "critical",
        passed=not findings,
        failed_count=failed,
        evaluated_count=evaluated,
        message="; ".join([*shown, *more]) or otherwise,
    )


def result(outcome: GateOutcome) -> dg.AssetCheckResult:
    """An outcome for the UI.

    A broken warning passes with metadata: Dagster's conditions take a failed check for a closed
    gate, whatever its severity.
    """
    warns = outcome.severity == "warning" and not outcome.passed
    return dg.AssetCheckResult(
        check_name=outcome.check_name,
        passed=outcome.passed or warns,
        description=outcome.message,
        metadata={"warning": outcome.message or ""} if warns else {},
    )
