"""Every gate opens for sound data and closes for a defect planted against each critical check."""

import time
from pathlib import Path

import gate_world as world
import pytest
from gate_defects import DEFECTS, FUTURE, bare, defect

from expectations.runner import Suite, SuiteResult, suites, validate
from sources import tables as source_tables

SOURCES = source_tables()
SUITES = suites()
CRITICAL = [(suite, name) for suite in SUITES for name in suite.critical]
CONTEXT = {"as_of": world.AS_OF}


def judged(warehouse: Path, stage: str, table: str) -> SuiteResult:
    (result,) = validate(stage, [table], warehouse, context=CONTEXT)
    return result


def test_every_border_of_the_contract_has_its_suite() -> None:
    assert {suite.asset for suite in SUITES} == {name.replace(".", "/") for name in world.TABLES}


@pytest.mark.parametrize("stage", ["raw", "marts", "audiences"])
def test_sound_data_opens_every_gate(sound: Path, stage: str) -> None:
    results = validate(stage, None, sound, context=CONTEXT)

    broken = [
        (result.asset, check.name, check.message)
        for result in results
        for check in result.checks
        if not check.passed
    ]
    assert broken == []
    assert not any(result.closed for result in results)
    assert all(check.evaluated_count > 0 for result in results for check in result.checks)


@pytest.mark.parametrize(
    ("suite", "check"),
    CRITICAL,
    ids=[f"{suite.asset}: {bare(name)}" for suite, name in CRITICAL],
)
def test_a_planted_defect_closes_the_gate(warehouse: Path, suite: Suite, check: str) -> None:
    planted = defect(suite.asset, check)
    assert planted, f"no defect is planted for '{check}' of {suite.asset}: add it to gate_defects"
    world.plant(warehouse, planted)

    result = judged(warehouse, suite.stage, suite.table)

    assert result.closed
    failed = {found.name: found for found in result.checks if not found.passed}
    assert check in failed, f"only {sorted(failed)} noticed"
    assert failed[check].failed_count > 0
    assert not failed[check].message.startswith("could not run")


def test_no_defect_is_planted_for_a_check_that_is_gone() -> None:
    known = {(suite.asset, bare(name)) for suite, name in CRITICAL}

    assert {(asset, name) for asset, checks in DEFECTS.items() for name in checks} <= known


@pytest.mark.parametrize("stage", ["raw", "marts", "audiences"])
def test_a_missing_table_closes_the_gate(warehouse: Path, stage: str) -> None:
    wanted = suites(stage)
    world.plant(warehouse, *(f"drop table {stage}.{suite.table}" for suite in wanted))

    results = validate(stage, None, warehouse, context=CONTEXT)

    assert len(results) == len(wanted)
    for suite, result in zip(wanted, results, strict=True):
        assert result.closed
        assert {check.name for check in result.checks} == {rule.name for rule in suite.rules}
        assert not any(check.passed for check in result.checks)
        assert "isn't there" in result.checks[0].message


def test_a_warning_is_told_and_closes_nothing(warehouse: Path) -> None:
    world.plant(
        warehouse,
        "delete from raw.web_events",
        "update raw.app_events set type = 'alias'",
    )

    results = {result.table: result for result in validate("raw", None, warehouse, context=CONTEXT)}

    told = {
        (table, check.name, check.severity)
        for table, result in results.items()
        for check in result.checks
        if not check.passed
    }
    assert told == {
        ("web_events", "has rows", "warning"),
        ("app_events", "an alias has a previous id, but for 1%", "warning"),
    }
    assert not any(result.closed for result in results.values())


def test_late_and_repeated_raw_rows_close_nothing(warehouse: Path) -> None:
    world.plant(
        warehouse,
        "insert into raw.pos_receipt_lines by name select * replace ('2021-03-01' as sold_at) "
        "from raw.pos_receipt_lines",
        "insert into raw.web_events from raw.web_events",
    )

    results = validate("raw", ["pos_receipt_lines", "web_events"], warehouse, context=CONTEXT)

    assert all(check.passed for result in results for check in result.checks)


def test_a_few_odd_rows_are_noise(warehouse: Path) -> None:
    world.plant(warehouse, "update raw.erp_orders set status = 'bogus' where rowid < 10")

    assert not judged(warehouse, "raw", "erp_orders").closed


_GONE = """insert into {table} by name
    select unnest(range(60))::varchar as "{key}", 'x.parquet' as _landed_file,
        {as_of} as _loaded_at, true as _is_deleted"""


def _plant_gone(warehouse: Path) -> None:
    """Beside the forty rows of each raw table, sixty of which only the key is known."""
    as_of = f"timestamptz '{world.AS_OF}'"
    gone = [
        _GONE.format(table=f"raw.{table.full_name}", key=table.key[0], as_of=as_of)
        for table in SOURCES
    ]
    world.plant(warehouse, *gone)


def test_rows_that_have_left_their_source_are_not_judged(warehouse: Path) -> None:
    _plant_gone(warehouse)

    results = validate("raw", None, warehouse, context=CONTEXT)

    checks = [check for result in results for check in result.checks]
    assert [check for check in checks if not check.passed] == []
    assert {check.evaluated_count for check in checks} == {40}


def test_rows_that_have_left_hide_no_defect_of_the_others(warehouse: Path) -> None:
    _plant_gone(warehouse)
    planted = {
        "web_events": ("messageId is never null", '"messageId" = null'),
        "pos_receipt_lines": ("quantity is never null", "quantity = null"),
        "erp_orders": ("status is known, but for 5%", "status = 'bogus'"),
        "erp_returns": ("currency is known, but for 5%", "currency = 'XXX'"),
        "erp_tickets": (
            "opened_at isn't in the future, but for 1%",
            f"opened_at = {FUTURE}, closed_at = null",
        ),
    }
    for table, (_, change) in planted.items():
        # One more than noise.
        world.plant(
            warehouse, f"update raw.{table} set {change} where not _is_deleted and rowid < 11"
        )

    results = validate("raw", list(planted), warehouse, context=CONTEXT)

    for result, (name, _) in zip(results, planted.values(), strict=True):
        assert result.closed
        assert [(c.name, c.failed_count) for c in result.checks if not c.passed] == [(name, 11)]


def test_a_table_of_which_everything_has_left_is_empty(warehouse: Path) -> None:
    _plant_gone(warehouse)
    world.plant(warehouse, "delete from raw.erp_orders where not _is_deleted")

    result = judged(warehouse, "raw", "erp_orders")

    assert [check.name for check in result.checks if not check.passed] == ["has rows"]
    assert not result.closed


def test_a_newcomer_with_tills_alone_gets_through(warehouse: Path) -> None:
    tables = [suite.table for suite in SUITES if suite.stage == "raw"]
    others = [table for table in tables if not table.startswith("pos_")]
    world.plant(warehouse, *(f"delete from raw.{table}" for table in others))

    results = validate("raw", None, warehouse, context=CONTEXT)

    assert [result.asset for result in results if result.closed] == []


def test_a_rebuild_of_the_past_forgives_rows_that_came_since(warehouse: Path) -> None:
    past = {"as_of": world.AS_OF.replace(year=2025)}

    results = validate("raw", None, warehouse, context=past)

    assert [result.asset for result in results if result.closed] == []


def test_an_audience_without_a_file_of_its_own_is_gated_too(warehouse: Path) -> None:
    world.plant(
        warehouse,
        "create table audiences.tea_lovers as from audiences.one_timers",
        "create table audiences.coffee_lovers as from audiences.one_timers",
        "insert into audiences.coffee_lovers values ('p999', 'x@example.com')",
    )

    tea, coffee = validate("audiences", ["tea_lovers", "coffee_lovers"], warehouse, context=CONTEXT)

    assert not tea.closed
    assert coffee.closed


def test_all_gates_of_a_build_take_seconds(sound: Path) -> None:
    validate("marts", ["retention_kpis"], sound, context=CONTEXT)  # GX is imported now
    started = time.process_time()

    for stage in ("raw", "marts", "audiences"):
        validate(stage, None, sound, context=CONTEXT)

    # Measured 0.15 s a suite; processor time, so that a busy machine doesn't fail it.
    assert (time.process_time() - started) / len(SUITES) < 0.5
