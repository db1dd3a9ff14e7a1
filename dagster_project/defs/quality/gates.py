"""Gates as asset checks: one blocking check for each gated table, judged by `expectations/`."""

from collections.abc import Iterator, Sequence

import dagster as dg

import sources
from dagster_project import warehouse as builds
from dagster_project.defs.quality.outcomes import keep
from dagster_project.defs.resources import Warehouse
from dagster_project.defs.transform import project
from dagster_project.publishing import gates
from expectations.runner import SuiteResult, suites, validate

CHECK_NAME = "expectations"


def gated_tables() -> dict[str, list[str]]:
    """Return the gated tables by stage; every audience has a gate, with its own file or not."""
    return {
        "raw": [table.full_name for table in sources.tables()],
        "marts": [suite.table for suite in suites("marts")],
        "audiences": list(project.audiences()),
    }


def gate(stage: str, tables: Sequence[str]) -> dg.AssetChecksDefinition:
    """Make the step that judges the gated tables of one stage.

    One step a stage: Great Expectations takes seconds to import and to set up.
    """
    specs = [
        dg.AssetCheckSpec(
            name=CHECK_NAME,
            asset=dg.AssetKey([stage, suite.table]),
            blocking=True,
            description=f"Great Expectations, {len(suite.rules)} rules, expectations/{suite.asset}"
            ".py. A critical rule that is broken, or can't be asked, closes the gate: nothing of "
            "this build is published or sent.",
        )
        for suite in suites(stage, tables)
    ]

    @dg.multi_asset_check(name=f"{stage}_gates", specs=specs, can_subset=True)
    def judge(
        context: dg.AssetCheckExecutionContext, warehouse: Warehouse
    ) -> Iterator[dg.AssetCheckResult]:
        chosen = {key.asset_key.path[-1] for key in context.selected_asset_check_keys}
        with warehouse.connect() as connection:
            as_of = builds.current(connection).as_of
        results = validate(
            stage,
            [table for table in tables if table in chosen],
            warehouse.settings.warehouse,
            context={"as_of": as_of},
            connect=lambda _: warehouse.connect(),
        )
        outcomes = [outcome for result in results for outcome in _outcomes(result)]
        keep(warehouse, outcomes, run_id=context.run.run_id)
        yield from (_check(result) for result in results)

    return judge


def _outcomes(result: SuiteResult) -> list[gates.GateOutcome]:
    return [
        gates.GateOutcome(
            stage=result.stage,
            asset=result.asset,
            check_name=check.name,
            engine="great_expectations",
            severity=check.severity,
            passed=check.passed,
            failed_count=check.failed_count,
            evaluated_count=check.evaluated_count,
            message=check.message,
        )
        for check in result.checks
    ]


def _check(result: SuiteResult) -> dg.AssetCheckResult:
    """Say what was asked and what was broken, in counts.

    A broken warning passes with metadata: Dagster's conditions take a failed check for a closed
    gate, whatever its severity.
    """
    broken = [check for check in result.checks if not check.passed]
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([result.stage, result.table]),
        check_name=CHECK_NAME,
        passed=not result.closed,
        description="; ".join(f"{check.name}: {check.message}" for check in broken) or None,
        metadata={
            "rules asked": len(result.checks),
            "rules broken": len(broken),
            **{f"{check.severity}: {check.name}": check.message for check in broken},
        },
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The gates of every gated stage."""
    return dg.Definitions(
        asset_checks=[gate(stage, tables) for stage, tables in gated_tables().items()]
    )
