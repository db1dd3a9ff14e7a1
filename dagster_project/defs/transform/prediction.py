"""Prediction as assets: who will return, between intermediate and marts."""

from base64 import b64encode
from collections.abc import Iterator

import dagster as dg

from dagster_project import prediction
from dagster_project import warehouse as builds
from dagster_project.defs.quality.outcomes import keep
from dagster_project.defs.resources import Warehouse
from dagster_project.prediction.picture import draw_calibration
from dagster_project.publishing import gates
from dagster_project.publishing.gates import GateOutcome

TABLES = {
    "customers": "What is expected of each customer: chance to return, purchase days, value. "
    "Grain: one row a customer.",
    "reasons": "The facts that moved a customer's chance most. Grain: one row a customer and "
    "reason.",
    "slowdowns": "How each customer's habit of late differs from before, and how seldom chance "
    "does that. Grain: one row a customer of whom enough gaps are known.",
    "parameters": "What the models of purchases (BG/NBD) and of their values (gamma-gamma) were "
    "fitted to. Grain: one row a parameter.",
    "backtest": "The models of past days held against what happened since, plain rules beside "
    "them. Grain: one row a past day and model.",
    "calibration": "What each model said and what came of it. Grain: one row a past day, model "
    "and tenth of the customers.",
}
RANKS, CALIBRATED = "the_model_ranks_better_than_plain_rules", "the_model_is_calibrated"
_CHECKS = {
    RANKS: "Warns when a plain rule (recency, churn factor or frequency) would have ranked the "
    "customers of the past months better; that rule is published in the model's place.",
    CALIBRATED: "Warns when many more or many fewer of the customers of the past months returned "
    "than the model had said; the best plain rule is published in its place.",
}
_ASSET = "prediction/backtest"


@dg.multi_asset(
    name="prediction",
    specs=[
        dg.AssetSpec(
            key=["prediction", table],
            deps=[["intermediate", "int_purchase_days"]],
            group_name="prediction",
            kinds={"python", "duckdb"},
            owners=["team:analytics"],
            description=description,
        )
        for table, description in TABLES.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(name=name, asset=dg.AssetKey(_ASSET.split("/")), description=words)
        for name, words in _CHECKS.items()
    ],
)
def predictions(
    context: dg.AssetExecutionContext, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """Learn from past days who returns, judge that by what happened since, say it of today."""
    with warehouse.connect() as connection:
        gates.invalidate(connection, "prediction")
        report = prediction.predict(connection, today=builds.current(connection).today)
        rows = {
            table: connection.execute(f"select count(*) from prediction.{table}").fetchone()
            for table in TABLES
        }
    outcomes = _outcomes(report)
    keep(warehouse, outcomes, run_id=context.run.run_id)
    context.log.info("Published by model %s. %s", report.model, report.verdict.words)
    for table, count in rows.items():
        yield dg.MaterializeResult(
            asset_key=["prediction", table],
            metadata={
                "dagster/row_count": count[0] if count else 0,
                **({"model published": report.model} if table == "customers" else {}),
                **(_shown(report) if table == "backtest" else {}),
            },
            check_results=[_result(outcome) for outcome in outcomes] if table == "backtest" else [],
        )


def _outcomes(report: prediction.PredictionReport) -> list[GateOutcome]:
    verdict = report.verdict
    return [
        GateOutcome(
            stage="prediction",
            asset=_ASSET,
            check_name=name,
            engine="prediction",
            severity="warning",
            passed=passed,
            failed_count=int(not passed),
            evaluated_count=len(report.backtests),
            message=f"{verdict.words}. Published: {verdict.model}.",
        )
        for name, passed in ((RANKS, verdict.ranks), (CALIBRATED, verdict.is_calibrated))
    ]


def _result(outcome: GateOutcome) -> dg.AssetCheckResult:
    """A broken warning passes with metadata: for Dagster a failed check is a closed gate."""
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(outcome.asset.split("/")),
        check_name=outcome.check_name,
        passed=True,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"holds": outcome.passed, "found": outcome.message or ""},
    )


def _shown(report: prediction.PredictionReport) -> dict[str, dg.MarkdownMetadataValue]:
    """The back-tests as a table, and what the model said beside what happened as a picture."""
    if not report.backtests:
        return {"back-tests": dg.MetadataValue.md(report.verdict.words)}
    lines = [
        "| days ago | model | ranks (AUC) | calibration error | by chance | purchases | value |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for test in report.backtests:
        numbers = (test.auc, test.calibration_error, test.chance_error)
        ratios = (test.purchases_ratio, test.value_ratio)
        told = [f"{n:.3f}" if n is not None else "" for n in numbers]
        told += [f"{n:.0%} of the true ones" if n is not None else "" for n in ratios]
        name = f"**{test.model}**" if test.model == report.model else test.model
        lines.append(f"| {test.days} | {name} | {' | '.join(told)} |")
    drawn = b64encode(draw_calibration(report.backtests, report.model).encode()).decode()
    return {
        "back-tests": dg.MetadataValue.md("\n".join(lines)),
        "said and happened": dg.MetadataValue.md(
            f"![Calibration](data:image/svg+xml;base64,{drawn})"
        ),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """The tables of the prediction schema."""
    return dg.Definitions(assets=[predictions])
